//! Standard output. A reader that closes it early is not an error.

use std::io::{ErrorKind, Write};

use super::exit::Failure;
use crate::error::Error;

/// Writes `text` to standard output and flushes it.
///
/// # Errors
/// See [`failed`].
pub fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(failed)
}

/// The failure for an error while writing to standard output.
pub fn failed(e: std::io::Error) -> Failure {
    match e.kind() {
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Error::fix("standard output", "cannot be written to").because(e).into(),
    }
}

/// Formats rows as aligned columns, two spaces apart.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a".into(), "°C".into(), "x".into()], ["long".into(), "b".into(), String::new()]];
        assert_eq!(columns(&rows), "a     °C  x\nlong  b\n");
    }
}
