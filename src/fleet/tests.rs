use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::*;
use crate::stop::Stopper;

/// Small models, nothing on disk, the page on a free port.
fn config() -> Config {
    let model = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name).display().to_string();
    let mut config = Config::default();
    config.face.detector = model("tiny-detector.toml");
    config.face.landmarks = model("tiny-landmarks.toml");
    config.sink.http.listen = "127.0.0.1:0".into();
    config
}

/// Status and body of a GET; bytes that are not text are replaced.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    (status, answer)
}

fn state(address: SocketAddr, path: &str) -> serde_json::Value {
    let (status, answer) = get(address, path);
    assert_eq!(status, 200, "{path}: {answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let json = body.trim_start_matches(|c| c != '{').trim_end_matches(|c| c != '}');
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{path}: {e} in {body}"))
}

/// A fleet of scripted cameras, the address of its page, and its stopper.
fn start(config: &Config, specs: &[&str]) -> (Fleet, SocketAddr, Stopper, Stop) {
    let specs: Vec<_> = specs.iter().map(|s| s.to_string()).collect();
    let fleet = Fleet::of(config, &specs, &mut |_| Vec::new()).unwrap();
    let address = fleet.reports().iter().find_map(|report| report.address()).unwrap();
    let (stopper, stop) = stop::pair();
    (fleet, address, stopper, stop)
}

#[test]
fn cameras_share_one_server_and_each_has_its_paths() {
    let mut config = config();
    config.source.camera.name = "Front Door".into();
    let (fleet, address, stopper, stop) = start(&config, &["script:frames(100000)", "script:frames(100000)"]);
    let opened: Vec<_> = fleet.reports().iter().filter_map(|report| report.opened()).collect();
    assert_eq!(opened, [format!("live page: http://{address}/"), format!("live page: http://{address}/front-door-2/")]);
    let run = thread::spawn(move || fleet.run(&stop, |_| {}));
    for (path, camera) in [("/state", "front-door"), ("/front-door/state", "front-door")] {
        assert_eq!(state(address, path)["camera"], camera, "{path}");
    }
    let second = state(address, "/front-door-2/state");
    assert_eq!(second["camera"], "front-door-2");
    assert_eq!(second["cameras"], serde_json::json!(["front-door", "front-door-2"]));
    for path in ["/front-door-2/", "/front-door-2/metrics", "/front-door-2/snapshot.png", "/front-door-2/schema"] {
        assert_eq!(get(address, path).0, 200, "{path}");
    }
    let (status, answer) = get(address, "/front-door-2?token=x");
    assert!(status == 308 && answer.contains("location: front-door-2/?token=x\r\n"), "{answer}");
    for path in ["/back-door/", "/back-door/state", "/back-door", "/front-door/state/"] {
        assert_eq!(get(address, path).0, 404, "{path}");
    }
    let all = get(address, "/metrics").1;
    for camera in ["front-door", "front-door-2"] {
        assert!(all.contains(&format!("heatmark_uptime_seconds{{camera=\"{camera}\"}} ")), "{all}");
    }
    assert_eq!(all.matches("# TYPE heatmark_uptime_seconds").count(), 1);
    let one = get(address, "/front-door-2/metrics").1;
    assert!(one.contains("{camera=\"front-door-2\"}") && !one.contains("{camera=\"front-door\"}"), "{one}");

    drop(stopper);
    let ended = run.join().unwrap().unwrap();
    assert!(ended.len() == 2 && ended.iter().all(|summary| summary.is_ok()), "{ended:?}");
    assert!(TcpStream::connect(address).is_err(), "the server is gone with its last camera");
}

#[test]
fn the_end_of_the_first_camera_ends_the_others_and_not_the_other_way_round() {
    let mut config = config();
    config.sink.http.enabled = false;
    let specs = ["script:frames(8),end", "script:frames(1),end", "script:frames(100000)"].map(String::from);
    let fleet = Fleet::of(&config, &specs, &mut |_| Vec::new()).unwrap();
    let (_stopper, stop) = stop::pair();
    let statuses = fleet.statuses();
    let ended = fleet.run(&stop, |all| assert_eq!(all.len(), 3)).unwrap();
    assert!(ended.len() == 3 && ended.iter().all(|summary| summary.is_ok()), "{ended:?}");
    assert_eq!([0, 1].map(|i| statuses[i].counts().captured), [8, 1]);
}

#[test]
fn names_are_plain_and_numbered() {
    let mut settings = source::Settings::default();
    let name = |settings: &source::Settings, number| name_of(&settings_of(settings, number), number);
    assert_eq!((name(&settings, 1), name(&settings, 2)), ("camera-1".into(), "camera-2".into()));
    settings.camera.name = "door".into();
    assert_eq!((name(&settings, 1), name(&settings, 3)), ("door".into(), "door-3".into()));
    assert_eq!(settings_of(&settings, 3).camera.name, "door-3");
    settings.camera.name = "/Tür ø/".into();
    assert_eq!(name(&settings, 1), "t-r");
}
