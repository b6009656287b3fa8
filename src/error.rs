//! The error type, which says who must act.

use std::fmt;
use std::ops::RangeInclusive;

/// What must happen before the failed operation can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The program may try again after a short wait (a camera stalled, a peer is away).
    Retry,
    /// A person must change something (a configuration key, a permission, a file).
    Fix,
    /// Nothing can be done in this process (a broken build, a model that fails its self-check).
    Fatal,
}

/// An error about one subject: a device, a file, a config key, a peer.
///
/// Printed as `SUBJECT: MESSAGE: CAUSE: ...`. The message says what was found and what was wanted.
pub struct Error {
    remedy: Remedy,
    subject: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the given kind about `subject`.
    pub fn new(remedy: Remedy, subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { remedy, subject: subject.to_string(), message: message.to_string(), source: None }
    }

    /// The program may try again.
    pub fn retry(subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self::new(Remedy::Retry, subject, message)
    }

    /// A person must change something.
    pub fn fix(subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self::new(Remedy::Fix, subject, message)
    }

    /// This process cannot continue.
    pub fn fatal(subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self::new(Remedy::Fatal, subject, message)
    }

    /// Attaches the cause, which is printed after the message.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Who must act.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// The device, file, key or peer concerned.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What was found and what was wanted, without subject or cause.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)?;
        let mut cause = std::error::Error::source(self);
        while let Some(e) = cause {
            write!(f, ": {e}")?;
            // A nested `Error` has printed its own chain already.
            cause = if e.is::<Error>() { None } else { e.source() };
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.remedy)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Checks that the setting `key`, a dotted path, is in `range`.
///
/// # Errors
/// [`Remedy::Fix`] about `key`, with the value and the range. NaN is in no range.
pub fn within<T: PartialOrd + fmt::Display>(key: impl fmt::Display, value: T, range: RangeInclusive<T>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::fix(key, format_args!("is {value}, wanted {} to {}", range.start(), range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_subject_message_and_every_cause() {
        let inner = std::io::Error::other("disk on fire");
        let e = Error::fix("clip.tiff", "cannot be read").because(inner);
        assert_eq!(e.to_string(), "clip.tiff: cannot be read: disk on fire");
        let outer = Error::retry("recorder", "stopped").because(e);
        assert_eq!(outer.to_string(), "recorder: stopped: clip.tiff: cannot be read: disk on fire");
        assert_eq!(outer.remedy(), Remedy::Retry);
    }

    #[test]
    fn a_value_outside_its_range_is_named_with_the_range() {
        within("sink.queue", 1usize, 1..=8).unwrap();
        within("sink.queue", 8usize, 1..=8).unwrap();
        let e = within("sink.queue", 9usize, 1..=8).unwrap_err();
        assert_eq!((e.remedy(), e.to_string().as_str()), (Remedy::Fix, "sink.queue: is 9, wanted 1 to 8"));
        let e = within("face.visible", f32::NAN, 0.0..=0.5).unwrap_err();
        assert_eq!(e.to_string(), "face.visible: is NaN, wanted 0 to 0.5");
    }
}
