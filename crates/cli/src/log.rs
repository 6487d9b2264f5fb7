//! Logging: lifecycle and trouble, to standard error. Types with personal data print redacted wherever they are logged.

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// Begins to log, and makes a panic one line with its place and without its payload, which could hold anything.
pub(crate) fn start(config: &LogConfig) -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_new(&config.filter)?;
    // A line that cannot be written (a full disk) is lost; complaining on standard error would panic where that is the
    // file that cannot be written.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    if config.json {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        tracing::error!(place = place.as_deref().unwrap_or("unknown"), "a bug was contained");
    }));
    Ok(())
}
