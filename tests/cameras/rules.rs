//! The table, the udev rules and the recordings belong together.

use std::collections::BTreeMap;

use heatmark::source::cameras::{CAMERAS, by_name};

use super::recordings;

const RULES: &str = include_str!("../../udev/60-heatmark.rules");

/// `KEY=="value"` or `KEY="value"` of one line, by key.
fn pairs(line: &str) -> BTreeMap<&str, &str> {
    line.split(", ")
        .filter_map(|part| {
            let (key, value) = part.split_once('=')?;
            Some((key.trim_end_matches('+'), value.trim_start_matches('=').trim_matches('"')))
        })
        .collect()
}

/// (USB id, row) of every line of one section.
fn section(label: &str, vendor: &str, product: &str) -> Vec<(String, String)> {
    let after = RULES.split_once(&format!("LABEL=\"{label}\"")).unwrap().1;
    let until = after.find("LABEL=").unwrap_or(after.len());
    let lines = after[..until].lines().map(pairs);
    lines
        .filter_map(|p| Some((format!("{}:{}", p.get(vendor)?, p.get(product)?), p.get("ENV{HEATMARK}")?.to_string())))
        .collect()
}

fn table() -> Vec<(String, String)> {
    let ids =
        |p: &'static heatmark::source::cameras::Profile| p.usb.iter().map(move |id| (id.to_string(), p.name.into()));
    CAMERAS.iter().flat_map(ids).collect()
}

#[test]
fn every_usb_id_of_the_table_has_its_rules_and_no_rule_is_without_a_row() {
    let sorted = |mut all: Vec<(String, String)>| {
        all.sort();
        all
    };
    let table = sorted(table());
    assert!(table.len() >= 5);
    assert_eq!(sorted(section("heatmark_video", "ATTRS{idVendor}", "ATTRS{idProduct}")), table);
    assert_eq!(sorted(section("heatmark_usb", "ATTR{idVendor}", "ATTR{idProduct}")), table);
}

#[test]
fn every_capture_node_gets_a_link_by_port_under_its_own_name() {
    let lines: Vec<_> = RULES.lines().map(pairs).filter(|p| p.contains_key("ATTRS{idVendor}")).collect();
    assert_eq!(lines.len(), table().len());
    for line in lines {
        let (row, links) = (line["ENV{HEATMARK}"], line["SYMLINK"]);
        assert!(links.split(' ').any(|link| link == format!("heatmark/{row}-usb-$id")), "{links}");
        assert!(links.split(' ').all(|link| link.starts_with(&format!("heatmark/{row}-"))), "{links}");
        let by_serial = links.split(' ').any(|link| link == format!("heatmark/{row}-$attr{{serial}}"));
        assert_eq!(by_serial, by_name(row).unwrap().serials, "{links}");
    }
}

#[test]
fn what_is_known_to_matter_is_set() {
    for wanted in ["TAG+=\"uaccess\"", "ATTR{power/control}=\"on\"", "GROUP=\"video\", MODE=\"0660\""] {
        assert!(RULES.contains(wanted), "{wanted}");
    }
    let boson = RULES.lines().find(|l| l.starts_with("ATTR{idVendor}==\"09cb\"")).unwrap();
    assert!(boson.contains("ENV{ID_MM_DEVICE_IGNORE}=\"1\""));
    assert!(!RULES.contains("MODE=\"0666\""), "no other user may capture");
}

#[test]
fn every_row_has_a_recording_with_its_expected_text() {
    let have: Vec<&str> = recordings::NAMES.iter().map(|(_, row)| *row).collect();
    for profile in &CAMERAS {
        assert!(have.contains(&profile.name), "no recording of {}", profile.name);
    }
    assert!(have.iter().all(|row| CAMERAS.iter().any(|p| p.name == *row)));
}
