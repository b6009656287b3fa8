//! `heatmark run`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::Args;

use super::play::{self, Options};
use super::{Base, Done};
use crate::assembly::assemble;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::pipeline::Input;
use crate::stop;

/// How often a further camera looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);

/// Arguments of `heatmark run`.
#[derive(Debug, Args)]
pub struct Run {
    /// A camera: auto, /dev/videoN, v4l2:serial=SERIAL, v4l2:usb=PORT, v4l2:profile=NAME; may be
    /// repeated for several at once. A file or `script:STEPS` works as well.
    #[arg(long, value_name = "SPEC")]
    source: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// Runs cameras until told to stop; what is unplugged or fails is opened again for ever.
pub(super) fn run(base: &Base, run: &Run) -> Done {
    let settled = run.options.settle(base, Vec::new())?;
    let config = settled.values;
    let specs = if run.source.is_empty() { vec![config.source.from.clone()] } else { run.source.clone() };
    let (first, more) = specs.split_first().ok_or_else(|| Error::fix("--source", "names nothing"))?;

    let over = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = more.iter().enumerate().map(|(i, spec)| start(&config, i + 2, spec, &over)).collect();
    // Under a service manager a line each second is noise; results and the page say as much.
    let quiet = base.quiet || !(std::io::stdout().is_terminal() || std::io::stderr().is_terminal());
    let base = Base { quiet, ..base.clone() };
    let input = Input::open(first, &config.source);
    let done = match input {
        Ok(input) => play::run(&base, &config, input, run.options.seconds, Vec::new()),
        Err(e) => Err(e.into()),
    };
    over.store(true, Ordering::SeqCst);
    let mut errors: Vec<Error> = others.into_iter().filter_map(|other| other.and_then(end).err()).collect();
    match (done, errors.pop()) {
        (Ok(()), Some(e)) => Err(e.into()),
        (done, _) => done,
    }
}

/// Starts the pipeline of camera number `n`, with outputs of its own.
fn start(config: &Config, n: usize, spec: &str, over: &Arc<AtomicBool>) -> Result<JoinHandle<Result<()>>> {
    let (config, spec, over) = (numbered(config, n), spec.to_string(), Arc::clone(over));
    let work = move || {
        let input = Input::open(&spec, &config.source)?;
        let assembly = assemble(&config, input, Vec::new())?;
        if let Some(page) = assembly.address() {
            log::info!("{spec}: live page: http://{page}/");
        }
        let (stopper, stop) = stop::pair();
        let mut stopper = Some(stopper);
        assembly.pipeline.watch(&stop, LOOK, |_| {
            if over.load(Ordering::SeqCst) {
                stopper = None;
            }
        })?;
        Ok(())
    };
    let told = move || work().inspect_err(|e| log::error!("{e}"));
    let thread = thread::Builder::new().name(format!("camera-{n}")).spawn(told);
    thread.map_err(|e| Error::fatal(format_args!("camera {n}"), "cannot be started").because(e))
}

fn end(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(Error::fatal("a further camera", "panicked")))
}

/// The configuration of camera number `n`: the next ports, and files with the number in their names.
fn numbered(config: &Config, n: usize) -> Config {
    let mut config = config.clone();
    if !config.source.camera.name.is_empty() {
        config.source.camera.name = format!("{}-{n}", config.source.camera.name);
    }
    if let Some((host, port)) = config.sink.http.listen.rsplit_once(':')
        && let Ok(port) = port.parse::<u16>()
        && port != 0
    {
        config.sink.http.listen = format!("{host}:{}", port.saturating_add(u16::try_from(n - 1).unwrap_or(u16::MAX)));
    }
    config.sink.ndjson.file = config.sink.ndjson.file.as_deref().map(|file| with_number(file, n));
    config.sink.ndjson.unix = config.sink.ndjson.unix.as_deref().map(|file| with_number(file, n));
    config
}

fn with_number(file: &Path, n: usize) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let ending = file.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    file.with_file_name(format!("{stem}-{n}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_cameras_have_outputs_of_their_own() {
        let mut config = Config::default();
        config.source.camera.name = "door".into();
        config.sink.ndjson.file = Some("/tmp/out.ndjson".into());
        let third = numbered(&config, 3);
        assert_eq!(third.source.camera.name, "door-3");
        assert_eq!(third.sink.http.listen, "127.0.0.1:8789");
        assert_eq!(third.sink.ndjson.file.as_deref(), Some(Path::new("/tmp/out-3.ndjson")));
        config.sink.http.listen = "127.0.0.1:0".into();
        assert_eq!(numbered(&config, 2).sink.http.listen, "127.0.0.1:0");
    }
}
