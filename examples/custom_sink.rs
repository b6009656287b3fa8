//! An output of one's own beside the callback: `cargo run --release --example custom_sink`

use std::io::Write;
use std::ops::ControlFlow;

use heatmark::{Engine, Error, Output, Result, Sink, Stream, Wants};

/// Prints one CSV line for each face.
struct Csv;

impl Sink for Csv {
    fn name(&self) -> &str {
        "csv"
    }

    fn wants(&self) -> Wants {
        Wants::default()
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        for face in &out.result.faces {
            let celsius: Vec<String> = face.region_c.view().iter().map(|c| format!("{c:.2}")).collect();
            writeln!(std::io::stdout(), "{},{},{}", out.result.seq, face.track, celsius.join(","))
                .map_err(|e| Error::fatal("standard output", "cannot be written").because(e))?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let mut left = 30;
    Stream::open("demo")?.sink(Csv).run(Engine::builder().build()?, move |_, _| {
        left -= 1;
        if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(())
}
