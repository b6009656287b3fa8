use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::config::keys::Choice;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    board: String,
    render: Render,
    http: Http,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Render {
    palette: Palette,
    upscale: u8,
    min_c: Option<f32>,
    span_c: Option<[f32; 2]>,
    tagged: Option<Tagged>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Palette {
    /// Hot is yellow.
    Iron,
    /// Hot is white.
    WhiteHot,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    Counts,
    Scaled { by: f32 },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Http {
    listen: Option<std::net::SocketAddr>,
    token: String,
    rate_hz: f32,
}

impl Default for Sample {
    fn default() -> Self {
        Self { board: "auto".into(), render: Render::default(), http: Http { rate_hz: 0.98, ..Http::default() } }
    }
}

impl Default for Render {
    fn default() -> Self {
        Self { palette: Palette::Iron, upscale: 4, min_c: None, span_c: None, tagged: None }
    }
}

fn range(c: &Sample) -> Vec<Error> {
    let mut found = Vec::new();
    if !(1..=8).contains(&c.render.upscale) {
        found.push(Error::fix("render.upscale", format_args!("found {}, wanted 1 to 8", c.render.upscale)));
    } else if c.render.min_c.is_some_and(|m| m < -273.15) {
        found.push(Error::fix("render.min_c", "below absolute zero"));
    }
    found
}

fn file(layers: &mut Layers<Sample>, text: &str) {
    layers.text(text, &[], &|line| Origin::File("h.toml".into(), line));
}

fn problems(text: &str) -> Vec<String> {
    let mut layers = Layers::new().unwrap();
    file(&mut layers, text);
    layers.settle(&range).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_is_found_set_or_not() {
    let layers = Layers::<Sample>::new().unwrap();
    let found: Vec<_> = layers.keys().keys.iter().map(|k| (k.path.as_str(), k.kind.clone())).collect();
    let words = [("iron", "Hot is yellow."), ("white_hot", "Hot is white.")];
    let words = words.map(|(word, about)| Choice { word: word.into(), about: about.into() }).to_vec();
    assert_eq!(
        found,
        [
            ("board", Kind::Text),
            ("render.palette", Kind::Choice(words)),
            ("render.upscale", Kind::Integer),
            ("render.min_c", Kind::Number),
            ("render.span_c", Kind::List(Vec::new())),
            ("render.tagged", Kind::Any),
            ("http.listen", Kind::Text),
            ("http.token", Kind::Text),
            ("http.rate_hz", Kind::Number),
        ]
    );
    assert_eq!(layers.keys().sections.iter().map(|s| s.path.as_str()).collect::<Vec<_>>(), ["render", "http"]);
}

#[test]
fn later_layers_win_and_origins_are_kept() {
    let mut layers = Layers::<Sample>::new().unwrap();
    layers.text("render.upscale = 2\nhttp.rate_hz = 3\n[about]\nx = 1\n", &["about"], &|line| {
        Origin::Board("pi-4".into(), line)
    });
    file(&mut layers, "[render]\nmin_c = 20\n\nupscale = 3\ntagged = { kind = \"counts\" }\n");
    layers.assign("--set", "render.palette=white_hot");
    layers.assign("--set", "http.listen=\"127.0.0.1:8090\"");
    let settled = layers.settle(&range).unwrap();
    assert_eq!((settled.values.render.upscale, settled.values.render.min_c), (3, Some(20.0)));
    assert_eq!(settled.values.render.palette, Palette::WhiteHot);
    assert_eq!(settled.values.render.tagged, Some(Tagged::Counts));
    let origin = |path: &str| settled.entries.iter().find(|e| e.path == path).unwrap().origin.to_string();
    assert_eq!(origin("render.upscale"), "h.toml:4");
    assert_eq!(origin("render.min_c"), "h.toml:2");
    assert_eq!(origin("http.rate_hz"), "board pi-4:2");
    assert_eq!(origin("render.palette"), "--set");
    assert_eq!(origin("http.token"), "default");
}

#[test]
fn short_floats_stay_short() {
    let settled = Layers::<Sample>::new().unwrap().settle(&range).unwrap();
    assert_eq!(settled.entries.last().unwrap().value.as_ref().unwrap().to_string(), "0.98");
}

#[test]
fn every_problem_is_told_with_its_line_and_the_nearest_key() {
    let text = "bord = \"pi\"\nupscale = 3\n[render]\npalete = \"iron\"\npalette = \"bone\"\nmin_c = \"cold\"\n\
                [http]\nlisten = \"here\"\n[rendering]\nupscale = 2\n[zzzzz]\nqqqqq = 1\n";
    assert_eq!(
        problems(text),
        [
            "h.toml:1: bord: no such key; the nearest is board",
            "h.toml:2: upscale: no such key; the nearest is render.upscale",
            "h.toml:4: render.palete: no such key; the nearest is render.palette",
            "h.toml:5: render.palette: found \"bone\", wanted \"iron\" or \"white_hot\"",
            "h.toml:6: render.min_c: found \"cold\", wanted a number",
            "h.toml:8: http.listen: found \"here\": invalid socket address syntax",
            "h.toml:9: rendering: no such key; the nearest is render",
            "h.toml:11: zzzzz: no such key, and none is near; `heatmark config reference` lists them all",
        ]
    );
}

#[test]
fn values_out_of_range_are_told_one_after_the_other() {
    assert_eq!(
        problems("render.upscale = 9\nrender.min_c = -300\n"),
        ["h.toml:1: render.upscale: found 9, wanted 1 to 8", "h.toml:2: render.min_c: below absolute zero"]
    );
}

#[test]
fn a_table_and_a_value_are_not_confused() {
    assert_eq!(problems("render = 3"), ["h.toml:1: render: found 3, wanted a table [render]"]);
    assert_eq!(problems("[render.upscale]\nx = 1"), ["h.toml:1: render.upscale: found { x = 1 }, wanted an integer"]);
}

#[test]
fn what_is_not_toml_names_its_line() {
    let told = problems("board = \"pi-4\"\nrender = = 3\n");
    assert!(told[0].starts_with("h.toml:2: not TOML: "), "{told:?}");
}

#[test]
fn secrets_are_never_shown() {
    let layers = Layers::<Sample>::new().unwrap();
    let shown = |path: &str, value: Value| shown(layers.keys().get(path).unwrap(), &value);
    assert_eq!(shown("http.token", Value::String("abc".into())), "\"***\"");
    assert_eq!(shown("http.token", Value::String(String::new())), "\"\"");
    assert_eq!(shown("http.rate_hz", Value::Float(1.5)), "1.5");
    assert_eq!(problems("http.token = [\"abc\"]"), ["h.toml:1: http.token: found \"***\", wanted a string"]);
}
