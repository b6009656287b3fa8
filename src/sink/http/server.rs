//! The server shared by all cameras of a process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::channel::Channel;
use super::site::Site;
use super::{Settings, serve};
use crate::error::{Error, Result};

/// Listens on one address for all added cameras; stops when dropped.
pub(super) struct Server {
    site: Arc<Site>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds the address and starts the thread that serves every client.
    pub fn open(settings: &Settings) -> Result<Self> {
        let fatal = |e| Error::fatal("http", "its thread cannot be started").because(e);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fatal)?;
        let address = settings.address()?;
        let listener = runtime.block_on(async { serve::listen(address) })?;
        let address = listener.local_addr().map_err(fatal)?;
        let site = Arc::new(Site::new(settings));
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&site);
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || runtime.block_on(serve::serve(listener, served, stopped)))
            .map_err(fatal)?;
        log::info!("http: listening on http://{address}/");
        Ok(Self { site, address, stop, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn add(&self, channel: &Arc<Channel>) {
        self.site.add(channel);
    }

    pub fn remove(&self, channel: &Arc<Channel>) {
        self.site.remove(channel);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
