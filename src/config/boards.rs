//! Boards: one file each in `boards/`, embedded in the program.

use serde::Deserialize;

use crate::error::{Error, Result};

/// The board name for "detect the board".
pub const AUTO: &str = "auto";

/// The board for machines that match no other file.
pub const GENERIC: &str = "generic";

/// The table of a board file that describes the board; the rest of the file is configuration.
pub const ABOUT: &str = "about";

/// Name and text of every file in `boards/`.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/boards.rs"));

/// The table [`ABOUT`] of a board file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Name for people.
    pub name: String,
    /// Prefixes of the model string in the device tree (`/proc/device-tree/model`) that identify this board.
    #[serde(default)]
    pub device_tree: Vec<String>,
    /// What was tested on such a board, and what is estimated.
    pub tested: String,
}

#[derive(Deserialize)]
struct File {
    about: About,
}

/// One board.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// Name of the file without its extension.
    pub name: &'static str,
    /// The whole file.
    pub text: &'static str,
    /// The table about the board.
    pub about: About,
}

/// Every board, by name.
///
/// # Errors
/// Fatal if a built-in file is broken.
pub fn all() -> Result<Vec<Board>> {
    let board = |&(file, text): &(&'static str, &'static str)| {
        let wrong = |e: toml::de::Error| Error::fatal(format_args!("boards/{file}"), e.message());
        let File { about } = toml::from_str::<toml::Table>(text).and_then(toml::Table::try_into).map_err(wrong)?;
        Ok(Board { name: file.trim_end_matches(".toml"), text, about })
    };
    FILES.iter().map(board).collect()
}

/// The board of this name; `auto` detects it.
///
/// # Errors
/// Fix if there is no such board.
pub fn choose(name: &str) -> Result<Board> {
    let boards = all()?;
    let name = if name == AUTO { detect(&boards, machine().as_deref()) } else { name };
    boards.iter().find(|b| b.name == name).cloned().ok_or_else(|| {
        let names: Vec<_> = boards.iter().map(|b| b.name).collect();
        Error::fix("board", format_args!("found \"{name}\", wanted {AUTO} or one of {}", names.join(", ")))
    })
}

/// The board with the longest matching prefix of this device-tree model, or [`GENERIC`].
pub fn detect(boards: &[Board], model: Option<&str>) -> &'static str {
    let claims = boards.iter().flat_map(|b| b.about.device_tree.iter().map(move |start| (start, b.name)));
    let fitting = claims.filter(|(start, _)| model.is_some_and(|m| m.starts_with(start.as_str())));
    fitting.max_by_key(|(start, _)| start.len()).map_or(GENERIC, |(_, name)| name)
}

/// The model string of the device tree, if the machine has one.
pub fn machine() -> Option<String> {
    let model = std::fs::read_to_string("/proc/device-tree/model").ok()?;
    Some(model.trim_end_matches('\0').trim().to_string())
}
