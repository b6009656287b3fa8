//! The server that the cameras of a process share.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::channel::Channel;
use super::guard::Access;
use super::{Settings, serve};
use crate::error::{Error, Result};

/// What every request shares: the cameras, the rules and the limits.
pub(super) struct Site {
    pub access: Access,
    channels: RwLock<Vec<Arc<Channel>>>,
    pub stream_seats: Arc<Semaphore>,
    pub event_seats: Arc<Semaphore>,
    pub max_clients: usize,
    pub stale: Duration,
    pub patience: Duration,
}

impl Site {
    fn new(settings: &Settings) -> Self {
        Self {
            access: Access::new(settings.token.as_ref(), &settings.hosts),
            channels: RwLock::default(),
            stream_seats: Arc::new(Semaphore::new(settings.max_clients)),
            event_seats: Arc::new(Semaphore::new(settings.max_clients)),
            max_clients: settings.max_clients,
            stale: Duration::from_millis(settings.stale_ms),
            patience: Duration::from_millis(settings.patience_ms),
        }
    }

    /// Every camera, in the order in which they were added.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The camera of this name; without a name the first.
    pub fn channel(&self, name: Option<&str>) -> Option<Arc<Channel>> {
        let channels = self.channels();
        channels.into_iter().find(|channel| name.is_none_or(|name| name == channel.name()))
    }
}

/// Listens on one address for every camera that is added; stops when dropped.
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
        self.site.channels.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(channel));
    }

    pub fn remove(&self, channel: &Arc<Channel>) {
        let mut channels = self.site.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|other| !Arc::ptr_eq(other, channel));
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
