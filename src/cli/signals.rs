//! SIGINT and SIGTERM: the first requests a stop, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Exit;
use crate::error::{Error, Result};

/// Set by the first SIGINT or SIGTERM.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Handles both signals for the rest of the process.
    ///
    /// # Errors
    /// Fatal if the system refuses the handlers.
    pub fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in this order: the first signal sets the unset flag, the second ends the process.
            flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .map_err(|e| Error::fatal("signals", "cannot be handled").because(e))?;
        }
        Ok(Self(asked))
    }

    /// True after the first signal.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
