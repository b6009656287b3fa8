//! Nodes of a made-up sysfs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use heatmark::source::cameras::by_name;
use heatmark::source::v4l::node::{self, Node};
use heatmark::source::v4l::selector::Selector;

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("{text}\n")).unwrap();
    }
}

/// A video node `videoN` of the interface `interface` below `sys/devices`, as index `index`.
fn video(root: &Path, interface: &str, n: u32, index: u32, name: &str) {
    let folder = root.join("sys/devices").join(interface).join(format!("video4linux/video{n}"));
    write(&folder, &[("name", name), ("index", &index.to_string())]);
    symlink("../..", folder.join("device")).unwrap();
    let class = root.join("sys/class/video4linux");
    fs::create_dir_all(&class).unwrap();
    symlink(&folder, class.join(format!("video{n}"))).unwrap();
    write(&root.join("dev"), &[(&format!("video{n}"), "")]);
}

fn usb(root: &Path, port: &str, files: &[(&str, &str)]) {
    let folder = root.join("sys/devices/pci0/usb1").join(port);
    write(&folder, files);
}

/// Two PureThermals, one without a serial number, a Boson, a webcam, a virtual device; numbers as mixed
/// as in life.
fn machine(root: &Path) -> Vec<Node> {
    let lepton = [("idVendor", "1e4e"), ("idProduct", "0100"), ("speed", "12"), ("busnum", "1")];
    usb(root, "1-1.2", &[&lepton[..], &[("serial", "8003000b-51"), ("devnum", "7"), ("bMaxPower", "100mA")]].concat());
    usb(root, "1-1.3", &[&lepton[..], &[("devnum", "8"), ("power/control", "auto")]].concat());
    usb(root, "1-2", &[("idVendor", "09cb"), ("idProduct", "4007"), ("serial", "123456"), ("speed", "480")]);
    usb(root, "1-3", &[("idVendor", "046d"), ("idProduct", "0825"), ("product", "Webcam C270")]);
    video(root, "pci0/usb1/1-3/1-3:1.0", 0, 0, "UVC Camera (046d:0825)");
    video(root, "pci0/usb1/1-3/1-3:1.0", 1, 1, "UVC Camera (046d:0825)");
    video(root, "pci0/usb1/1-1.3/1-1.3:1.0", 2, 0, "PureThermal (fw:v1.3.0)");
    video(root, "pci0/usb1/1-1.3/1-1.3:1.0", 3, 1, "PureThermal (fw:v1.3.0)");
    video(root, "pci0/usb1/1-1.2/1-1.2:1.0", 10, 0, "PureThermal (fw:v1.3.0)");
    video(root, "pci0/usb1/1-1.2/1-1.2:1.0", 11, 1, "PureThermal (fw:v1.3.0)");
    video(root, "pci0/usb1/1-2/1-2:1.0", 4, 0, "Boson: FLIR Video");
    video(root, "virtual", 5, 0, "Loopback");
    video(root, "platform/soc/fe801000.csi", 6, 0, "unicam-image");
    node::list(root)
}

#[test]
fn nodes_are_listed_in_order_with_what_is_behind_them() {
    let root = tempfile::tempdir().unwrap();
    let nodes = machine(root.path());
    let numbers: Vec<u32> = nodes.iter().map(|n| n.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 10, 11]);
    let lepton = &nodes[7];
    assert!(nodes[6].built_in && !nodes[5].built_in && !lepton.built_in);
    let usb = lepton.usb.as_ref().unwrap();
    assert_eq!((usb.id.to_string().as_str(), usb.port.as_str()), ("1e4e:0100", "1-1.2"));
    assert_eq!((usb.serial.as_deref(), usb.power_ma, usb.speed_mbps), (Some("8003000b-51"), Some(100), Some(12.0)));
    assert_eq!(usb.file.as_deref(), Some(root.path().join("dev/bus/usb/001/007").as_path()));
    assert!(lepton.permitted && !usb.autosuspend && nodes[2].usb.as_ref().unwrap().autosuspend);
    assert_eq!(nodes[5].usb, None);
    let name = |node: &Node, row: &str, by_port| node.stable_name(by_name(row).unwrap(), by_port);
    assert_eq!(name(lepton, "purethermal", false), "purethermal:8003000b-51");
    assert_eq!(name(lepton, "purethermal", true), "purethermal:usb-1-1.2");
    assert_eq!(name(lepton, "infiray", false), "infiray:usb-1-1.2", "whose serial numbers are all the same");
    assert_eq!(name(&nodes[2], "purethermal", false), "purethermal:usb-1-1.3");
    assert_eq!(name(&nodes[5], "y16", false), "y16:video5");
    // A twin at another port; the two nodes of one camera are none.
    let mut twin = nodes[2].clone();
    twin.usb.as_mut().unwrap().serial = Some("8003000b-51".into());
    assert!(!lepton.shares_serial(&nodes) && lepton.shares_serial(&[lepton.clone(), twin]));
    assert!(!nodes[0].shares_serial(&nodes) && !nodes[5].shares_serial(&nodes), "no serial number is not the same one");
}

#[test]
fn a_machine_without_cameras_has_none() {
    let root = tempfile::tempdir().unwrap();
    assert!(node::list(root.path()).is_empty());
    fs::create_dir_all(root.path().join("sys/class/video4linux/garbage")).unwrap();
    fs::create_dir_all(root.path().join("sys/class/video4linux/video7")).unwrap();
    let nodes = node::list(root.path());
    assert_eq!((nodes.len(), nodes[0].number, nodes[0].permitted), (1, 7, false));
}

#[test]
fn specs_pick_the_same_camera_at_any_node() {
    let root = tempfile::tempdir().unwrap();
    let nodes = machine(root.path());
    let picked = |spec: &str| -> Vec<u32> {
        Selector::parse(spec).unwrap().pick(&nodes).iter().map(|node| node.number).collect()
    };
    // Known cameras come first; metadata nodes and what is part of the board never do.
    assert_eq!(picked("auto"), [2, 4, 10, 0, 5]);
    assert_eq!(picked("v4l2:serial=8003000b-51"), [10]);
    assert_eq!(picked("v4l2:usb=1-1.3"), [2]);
    assert_eq!(picked("v4l2:profile=boson"), [4]);
    assert_eq!(picked("v4l2:profile=purethermal"), [2, 10]);
    assert_eq!(picked("v4l2:profile=y16"), [0, 5, 6], "shapes are known when opened");
    assert!(picked("v4l2:serial=none").is_empty());
    // A file, and udev's link to it.
    let file = root.path().join("dev/video4");
    let link = root.path().join("dev/boson-123456");
    symlink("video4", &link).unwrap();
    for path in [file, link] {
        let wanted = Selector::Node(path);
        assert_eq!(wanted.pick(&nodes).iter().map(|n| n.number).collect::<Vec<_>>(), [4]);
    }
}

#[test]
fn a_node_that_may_not_be_used_says_so() {
    let root = tempfile::tempdir().unwrap();
    let nodes = machine(root.path());
    fs::set_permissions(&nodes[0].path, fs::Permissions::from_mode(0o000)).unwrap();
    let now = node::list(root.path());
    // Root may use everything.
    let root_user = fs::File::open(&nodes[0].path).is_ok();
    assert_eq!(now[0].permitted, root_user);
    fs::remove_file(&nodes[0].path).unwrap();
    assert!(!node::list(root.path())[0].permitted);
}
