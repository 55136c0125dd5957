//! Servers that are away, go away, refuse, or come late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use trace_completion::{
    config::StoreSettings,
    embedded::{EmbeddedClickHouse, Options, User},
    flow::Texts,
    flow_log::{FlowWriter, StoredRow},
    store::{ClickHouseStore, FlowStore, StoreError},
};

use crate::fixture::{ADMIN, Fixture, become_user, by_trace_id, context, counters, entry, options, row};

fn store_at(url: &str) -> ClickHouseStore {
    ClickHouseStore::new(&StoreSettings { url: url.to_owned(), ..StoreSettings::default() }).unwrap()
}

/// A server that has the same user and password whenever it is started again.
fn restartable() -> Options {
    let user = User { password: "sesame".to_owned(), ..User::with_all_rights(ADMIN) };
    Options { users: vec![user], ..options() }
}

/// A store that knows that user.
fn store_of_restartable(port: u16) -> ClickHouseStore {
    let settings = StoreSettings {
        url: format!("http://127.0.0.1:{port}"),
        user: ADMIN.to_owned(),
        password: "sesame".to_owned().into(),
        ..StoreSettings::default()
    };
    ClickHouseStore::new(&settings).unwrap()
}

fn start(options: Options) -> EmbeddedClickHouse {
    EmbeddedClickHouse::start(options).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    // taken and given back: nobody listens
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let store = store_at(&format!("http://127.0.0.1:{port}"));
    for _ in 0..2 {
        let error = store.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unreachable(why) if why.contains("refused")), "{error}");
    }
    assert!(matches!(store.ping().await, Err(StoreError::Unreachable(_))));
}

#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let store = store_of_restartable(port);
    let error = store.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");

    let server = start(Options { http_port: Some(port), ..restartable() });
    store.ping().await.unwrap();
    let writer = FlowWriter::new(&server.store_settings()).unwrap();
    writer.write(&[StoredRow { trace_id: "t".into(), ..row(1) }]).await.unwrap();
    let page = store.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap();
    assert_eq!(counters(&page.rows), [1]);
}

#[tokio::test]
async fn a_server_that_restarts_costs_no_query() {
    let dir =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("restart-{}", std::process::id()));
    let options = Options { data_dir: Some(dir.clone()), ..restartable() };
    let server = start(options.clone());
    let port = server.http_port();
    let writer = FlowWriter::new(&server.store_settings()).unwrap();
    writer.write(&[StoredRow { trace_id: "t".into(), ..row(1) }]).await.unwrap();
    let store = store_of_restartable(port);
    let mut texts = Texts::new();
    assert_eq!(store.search(&context(1), &entry("t"), &mut texts).await.unwrap().rows.len(), 1);

    drop(writer);
    server.stop();
    let error = store.search(&context(1), &entry("t"), &mut texts).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
    let server = start(Options { http_port: Some(port), ..options });
    assert_eq!(store.search(&context(1), &entry("t"), &mut texts).await.unwrap().rows.len(), 1);
    drop(store);
    server.stop();
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_is_no_short_page() {
    let server = start(restartable());
    let client = crate::fixture::client(&server.settings_of(ADMIN));
    // long texts and a sleep for each row: some rows arrive long before the last
    for sql in [
        "INSERT INTO flow_log.l7_flow_log_local (_id, time, trace_id, span_id) \
         SELECT bitShiftLeft(toUInt64(1767000000), 32) + number, 1767000000, 't', \
                arrayStringConcat(arrayMap(x -> hex(cityHash64(number, x)), range(8000))) \
         FROM numbers(60)",
        "DROP TABLE flow_log.l7_flow_log",
        "CREATE VIEW flow_log.l7_flow_log AS SELECT * FROM \
         (SELECT * FROM flow_log.l7_flow_log_local ORDER BY time, _id) WHERE NOT ignore(sleepEachRow(0.04))",
    ] {
        client.query(sql).execute().await.unwrap();
    }
    let store = store_of_restartable(server.http_port());
    let (context, question, mut texts) = (context(1000), by_trace_id(["t"]), Texts::new());
    let (result, ()) = tokio::join!(store.search(&context, &question, &mut texts), async {
        crate::fixture::eventually("the query to run", || async {
            let sql = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEach%' OR query LIKE '%`l7_flow_log` WHERE%'";
            client.query(sql).fetch_one::<u64>().await.unwrap() >= 2
        })
        .await;
        tokio::task::spawn_blocking(|| server.kill()).await.unwrap();
    });
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_) | StoreError::Nonsense(_)), "{error}");
}

/// A server that cuts an answer short: fewer rows than it says there are.
#[tokio::test]
async fn a_cut_answer_is_no_short_page() {
    let (fixture, _) = Fixture::with_rows(&[StoredRow { trace_id: "t".into(), ..row(1) }]).await;
    let upstream = fixture.settings.url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let up = tokio::io::copy(&mut from_client, &mut to_server);
                let down = async {
                    let mut buffer = vec![0; 1 << 16];
                    loop {
                        let count = from_server.read(&mut buffer).await.unwrap_or(0);
                        // an answer of the flow log has the column of trace ids
                        let flow_log = buffer[..count].windows(10).position(|part| part == b"r_trace_id");
                        if count == 0
                            || to_client.write_all(&buffer[..flow_log.unwrap_or(count)]).await.is_err()
                        {
                            return;
                        }
                        if flow_log.is_some() {
                            return;
                        }
                    }
                };
                tokio::select! { _ = up => {}, () = down => {} }
            });
        }
    });
    let store = fixture.store_with(|settings| settings.url = url);
    let error = store.search(&context(10), &by_trace_id(["t"]), &mut Texts::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_) | StoreError::Nonsense(_)), "{error}");
}

/// Forwards to the server, but closes each connection that asks a second time without an answer.
async fn forgetful_proxy(upstream: String) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&dropped);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (upstream, counter) = (upstream.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let mut request = vec![0; 1 << 16];
                let count = client.read(&mut request).await.unwrap_or(0);
                server.write_all(&request[..count]).await.unwrap();
                let mut answer = vec![0; 1 << 16];
                loop {
                    tokio::select! {
                        count = server.read(&mut answer) => {
                            let count = count.unwrap_or(0);
                            if count == 0 || client.write_all(&answer[..count]).await.is_err() {
                                return;
                            }
                        }
                        count = client.read(&mut request) => {
                            if count.unwrap_or(0) > 0 {
                                counter.fetch_add(1, Ordering::Relaxed);
                            }
                            return;
                        }
                    }
                }
            });
        }
    });
    (url, dropped)
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_replaced_once() {
    let (fixture, _) = Fixture::with_rows(&[StoredRow { trace_id: "t".into(), ..row(1) }]).await;
    let upstream = fixture.settings.url.strip_prefix("http://").unwrap().to_owned();
    let (url, dropped) = forgetful_proxy(upstream).await;
    let store = fixture.store_with(|settings| settings.url = url);
    for _ in 0..5 {
        let page = store.search(&context(10), &by_trace_id(["t"]), &mut Texts::new()).await.unwrap();
        assert_eq!(counters(&page.rows), [1]);
    }
    assert!(dropped.load(Ordering::Relaxed) > 0, "no connection was ever used twice");
}

/// Takes connections and requests, and never answers.
#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    let settings = StoreSettings { url, max_execution_time_s: 1, ..StoreSettings::default() };
    let store = ClickHouseStore::new(&settings).unwrap();
    let begin = Instant::now();
    let error = store.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Timeout);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(store.ping().await, Err(StoreError::Timeout));
}

#[tokio::test]
async fn a_server_that_is_no_clickhouse_makes_no_sense() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 21\r\n\r\n<html>secret</html>\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let error = store_at(&url).search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Nonsense("an answer without an error code of ClickHouse".into()));
}

#[tokio::test]
async fn wrong_credentials_and_rights_are_denied() {
    let (fixture, _) = Fixture::with_rows(&[StoredRow { trace_id: "t".into(), ..row(1) }]).await;
    let stranger = fixture.store_with(|settings| settings.password = "wrong".to_owned().into());
    for error in [
        stranger.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err(),
        stranger.ping().await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Denied(_)), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    // may log in, and see nothing
    let nobody = fixture.store_with(|settings| become_user(settings, "nobody"));
    let error = nobody.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied(_) | StoreError::Schema(_)), "{error}");
}

#[tokio::test]
async fn the_servers_words_stay_with_the_server() {
    let (fixture, _) = Fixture::with_rows(&[StoredRow { trace_id: "t".into(), ..row(1) }]).await;
    fixture.run("DROP TABLE `$flow_log`.l7_flow_log").await;
    fixture
        .run(
            "CREATE VIEW `$flow_log`.l7_flow_log AS SELECT * FROM `$flow_log`.l7_flow_log_local \
             WHERE NOT ignore(throwIf(trace_id = 't', 'card 4111'))",
        )
        .await;
    let error = fixture.store.search(&context(1), &entry("t"), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Nonsense("error code 395 of ClickHouse".into()));
}
