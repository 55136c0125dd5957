package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/cases"
)

// upstream is a server that answers every question the same over gRPC.
type upstream struct {
	v1.UnimplementedTraceCompletionServiceServer
	answer *v1.CompleteTraceResponse
	err    error
}

func (u *upstream) CompleteTrace(context.Context, *v1.CompleteTraceRequest) (*v1.CompleteTraceResponse, error) {
	return u.answer, u.err
}

// behindGateway starts the upstream and a gateway in front of it, and returns the URL of the gateway.
func behindGateway(t *testing.T, u *upstream) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	v1.RegisterTraceCompletionServiceServer(server, u)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	address, stop, err := serve(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return "http://" + address + path
}

// rest starts a REST door that gives this answer, and returns its URL.
func rest(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const body = `{"OPT_STATUS": "PARTIAL_RESULT", "DESCRIPTION": "rows",
	"DATA": {"tracing": [], "host_clock_correction": {"1": 2}, "explanation": null}}`

func TestAnswersAreCompared(t *testing.T) {
	gateway := behindGateway(t, &upstream{answer: &v1.CompleteTraceResponse{
		OptStatus: "PARTIAL_RESULT", Description: "rows",
		Data: &v1.CompletedTrace{HostClockCorrection: map[string]int64{"1": 2}},
	}})
	changed := strings.Replace(body, "2", "3", 1)
	for _, c := range []struct {
		what       string
		status     int
		rest, want string
		fault      string
	}{
		{"equal", 206, body, body, ""},
		{"another status", 200, body, body, "REST: HTTP 200, want 206"},
		{"a status that no gateway has", 503, body, body, "gateway: HTTP 200, want 503"},
		{"another REST answer", 206, changed, body, "gateway and REST: DATA.host_clock_correction.1: 2, want 3"},
		{"another case", 206, body, changed, "gateway and case: DATA.host_clock_correction.1: 2, want 3"},
		{"quoted by REST", 206, strings.Replace(body, "2", `"2"`, 1), body, `DATA.host_clock_correction.1: 2, want "2"`},
		{"no JSON", 206, "", body, "REST: HTTP 206 with a body that is no JSON"},
	} {
		err := check(t.Context(), rest(t, c.status, c.rest), gateway,
			&cases.Case{Request: []byte(`{}`), Answer: []byte(c.want)})
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.what, err, c.fault)
		}
	}
}

func TestErrorsAreCompared(t *testing.T) {
	invalid, err := status.New(codes.InvalidArgument, "a: b").WithDetails(
		&errdetails.ErrorInfo{
			Reason: "ERROR_REASON_INVALID_REQUEST", Domain: "tracecompletion.v1",
			Metadata: map[string]string{"request_id": "7"},
		},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "a", Description: "b"},
		}})
	if err != nil {
		t.Fatal(err)
	}
	gateway := behindGateway(t, &upstream{err: invalid.Err()})
	const body = `{"OPT_STATUS": "INVALID_POST_DATA", "DESCRIPTION": "a: b", "code": 3, "message": "a: b", "details": [
		{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ERROR_REASON_INVALID_REQUEST",
		 "domain": "tracecompletion.v1", "metadata": {"request_id": "8"}},
		{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
			{"field": "a", "description": "b", "reason": "", "localizedMessage": null}]}]}`
	want := cases.Error{
		Code: codes.InvalidArgument, Reason: "ERROR_REASON_INVALID_REQUEST", HTTP: 400,
		OptStatus: "INVALID_POST_DATA", Violations: []cases.Violation{{Field: "a", Description: "b"}},
	}
	otherwise := func(change func(*cases.Error)) cases.Error {
		changed := want
		change(&changed)
		return changed
	}
	for _, c := range []struct {
		what     string
		old, new string
		want     cases.Error
		fault    string
	}{
		{"equal", "", "", want, ""},
		{"no envelope", `"OPT_STATUS": "INVALID_POST_DATA", `, "", want, "the envelope"},
		{"another description", `"DESCRIPTION": "a: b"`, `"DESCRIPTION": "a"`, want, "the envelope"},
		{"a field left out", `, "localizedMessage": null`, "", want, "localizedMessage: null, want no such key"},
		{"another message", `"message": "a: b"`, `"message": "a"`, want, "the envelope"},
		{"no request id", `{"request_id": "8"}`, `{}`, want, "names no request"},
		{"more metadata", `"8"`, `"8", "x": "y"`, want, "metadata.x: missing"},
		{"another code", "", "", otherwise(func(e *cases.Error) { e.Code = codes.NotFound }), "gateway: HTTP 400, want 404"},
		{"a code of this status", "", "", otherwise(func(e *cases.Error) { e.Code = codes.OutOfRange }), "code: 3, want 11"},
		{"another status", "", "", otherwise(func(e *cases.Error) { e.HTTP = 413 }), "REST: HTTP 400, want 413"},
		{"another reason", "", "", otherwise(func(e *cases.Error) { e.Reason = "R" }), `want "R"`},
		{"other violations", "", "", otherwise(func(e *cases.Error) { e.Violations = nil }), "violations"},
	} {
		err := check(t.Context(), rest(t, 400, strings.Replace(body, c.old, c.new, 1)), gateway,
			&cases.Case{Request: []byte(`{}`), Error: &c.want})
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.what, err, c.fault)
		}
	}
}
