//! `serve`: the server.

use std::{env, net::TcpListener, path::PathBuf, process, sync::Arc};

use clap::Args;
use tracing::{info, warn};

use super::{
    clickhouse,
    failure::Failure,
    running::{Threads, block_on, config_file, print, signal},
};
use crate::{
    api,
    config::{Config, StoreSettings},
    embedded::EmbeddedClickHouse,
    store::ClickHouseStore,
    telemetry,
};

/// The flags of `serve`. They win over the environment, and that over the file.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Configuration file (TOML). Each key can also be set in the environment: limits.max_streams is
    /// TRACE_COMPLETION_LIMITS_MAX_STREAMS, and the file is TRACE_COMPLETION_CONFIG.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Address and port of both doors (server.listen).
    #[arg(long)]
    listen: Option<String>,
    /// URL of ClickHouse's HTTP interface (store.url).
    #[arg(long, conflicts_with = "embedded")]
    clickhouse_url: Option<String>,
    /// Run a ClickHouse of its own, on this machine only.
    #[arg(long)]
    embedded: bool,
    /// Directory of that ClickHouse; a temporary one if not given.
    #[arg(long, requires = "embedded")]
    data_dir: Option<PathBuf>,
    /// Print the effective configuration, without secrets, and end.
    #[arg(long)]
    print_config: bool,
    /// Check the configuration, and end.
    #[arg(long)]
    check_config: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut config = self.config()?;
        if self.print_config {
            return print(&config.print());
        }
        if self.check_config {
            return print("the configuration is valid\n");
        }
        telemetry::init(&config.log).map_err(Failure::usage)?;
        // Comes first: where the port is taken, nothing has been started yet that must be ended again.
        let listener = listen(&config.server.listen)?;
        // Lives until the end of this function: dropping it ends the child, and the store must have closed its
        // connections before that.
        let mut embedded = self.embedded(&mut config)?;
        block_on(Threads::Many, serve(&config, listener, embedded.as_mut()))
    }

    fn config(&self) -> Result<Config, Failure> {
        let mut config =
            Config::load(config_file(&self.config).as_deref(), env::vars_os()).map_err(Failure::usage)?;
        if let Some(listen) = &self.listen {
            config.server.listen.clone_from(listen);
        }
        if let Some(url) = &self.clickhouse_url {
            config.store.url.clone_from(url);
        }
        config.check().map_err(Failure::usage)?;
        Ok(config)
    }

    fn embedded(&self, config: &mut Config) -> Result<Option<EmbeddedClickHouse>, Failure> {
        if !self.embedded {
            return Ok(None);
        }
        let server = clickhouse::start(self.data_dir.clone(), None)?;
        // The embedded server decides where it is. How it is asked (timeouts, limits) stays as configured.
        let StoreSettings { url, database, user, password, compression, .. } = server.reader_settings();
        config.store = StoreSettings { url, database, user, password, compression, ..config.store.clone() };
        info!(url = config.store.url, data_dir = %server.data_dir().display(), "embedded clickhouse runs");
        Ok(Some(server))
    }
}

/// Opens the port, without a runtime. Connections that arrive before the server accepts wait in the kernel's queue.
pub(super) fn listen(address: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address);
    listener
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|e| Failure::Usage(format!("cannot listen on {address}: {e}")))
}

async fn serve(
    config: &Config,
    listener: TcpListener,
    embedded: Option<&mut EmbeddedClickHouse>,
) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::work)?;
    // This does not connect. While the flow log cannot be reached, the server runs but is not ready.
    let store = Arc::new(ClickHouseStore::new(&config.store).map_err(Failure::usage)?);
    let mut died = None;
    let end = async {
        tokio::select! {
            // The signal is checked first: a signal to the whole process group ends the child too, and that is no
            // failure then.
            biased;
            () = shutdown() => {}
            failure = gone(embedded) => died = Some(failure),
        }
    };
    api::run(listener, end, store, config).await.map_err(Failure::work)?;
    died.map_or(Ok(()), Err)
}

/// Waits until the embedded ClickHouse is gone: for ever where there is none.
async fn gone(embedded: Option<&mut EmbeddedClickHouse>) -> Failure {
    match embedded {
        Some(embedded) => clickhouse::died(embedded).await,
        None => std::future::pending().await,
    }
}

/// The first signal ends serving in good order. A second one does not wait for that.
async fn shutdown() {
    if let Err(error) = signal().await {
        warn!(%error, "cannot listen to signals");
        std::future::pending::<()>().await;
    }
    tokio::spawn(async {
        if signal().await.is_ok() {
            warn!("a second signal, ending at once");
            #[expect(
                clippy::disallowed_methods,
                reason = "who asks twice does not wait for what is to be dropped"
            )]
            process::exit(1);
        }
    });
}
