//! State shared by all requests.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Settings;
use super::channel::Channel;
use super::guard::{Access, Guard};

/// State shared by all requests: cameras, access rules and limits.
pub(super) struct Site {
    pub guard: Arc<Guard>,
    channels: RwLock<Vec<Arc<Channel>>>,
    pub stream_seats: Arc<Semaphore>,
    pub event_seats: Arc<Semaphore>,
    pub max_clients: usize,
    pub stale: Duration,
}

impl Site {
    pub fn new(settings: &Settings) -> Self {
        Self {
            guard: Arc::new(Guard {
                access: Access::new(settings.token.as_ref(), &settings.hosts),
                patience: Duration::from_millis(settings.patience_ms),
            }),
            channels: RwLock::default(),
            stream_seats: Arc::new(Semaphore::new(settings.max_clients)),
            event_seats: Arc::new(Semaphore::new(settings.max_clients)),
            max_clients: settings.max_clients,
            stale: Duration::from_millis(settings.stale_ms),
        }
    }

    /// All cameras, in the order in which they were added.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The camera with this name, or the first if no name is given.
    pub fn channel(&self, name: Option<&str>) -> Option<Arc<Channel>> {
        let channels = self.channels();
        channels.into_iter().find(|channel| name.is_none_or(|name| name == channel.name()))
    }

    pub fn add(&self, channel: &Arc<Channel>) {
        self.channels.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(channel));
    }

    pub fn remove(&self, channel: &Arc<Channel>) {
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|other| !Arc::ptr_eq(other, channel));
    }
}
