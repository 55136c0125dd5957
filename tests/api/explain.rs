//! Explanations at both doors: they come if they are asked for, and are null otherwise.

use serde_json::Value;
use trace_completion::contract::proto::CompleteTraceRequest;

use crate::harness::{Does, QUESTION, question, start};

#[tokio::test]
async fn an_explanation_comes_when_asked_for() {
    let server = start(Does::Nothing, |_| {}).await;
    let mut client = server.grpc().await;
    let plain = client.complete_trace(question()).await.unwrap().into_inner();
    assert_eq!(plain.data.unwrap().explanation, None);
    let request = CompleteTraceRequest { explain: true, ..question() };
    let explained = client.complete_trace(request).await.unwrap().into_inner().data.unwrap();
    let explanation = explained.explanation.unwrap();
    assert_eq!(explanation.spans.len(), explained.tracing.len());
    assert_eq!(explanation.spans[0].deepflow_span_id, explained.tracing[0].deepflow_span_id);
    assert!(!explanation.search.is_empty());

    let plain = server.post(QUESTION).await.json();
    assert_eq!(plain["DATA"].get("explanation"), Some(&Value::Null));
    let asked = QUESTION.replacen('{', "{\"explain\": true, ", 1);
    let explained = server.post(asked).await.json();
    let explanation = &explained["DATA"]["explanation"];
    assert_eq!(explanation["spans"][0]["deepflow_span_id"], "s");
    assert_eq!(explanation["search"][0]["rows"], 0);
    for list in ["pruned", "clocks"] {
        assert!(explanation[list].is_array(), "{explained}");
    }
    let refused = server.post(QUESTION.replacen('{', "{\"explain\": 1, ", 1)).await;
    assert_eq!(refused.status, 400);
}
