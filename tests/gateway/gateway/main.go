// Gateway is the grpc-gateway door of the conformance matrix. It runs a gateway, generated from the contract, in
// front of the server, and compares its answers with those of the server's REST door and with the cases.
//
// Environment: CONFORMANCE_TARGET is the server, CONFORMANCE_CASES the folder of the cases, and
// CONFORMANCE_REPORT the file to write a line about each case into.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	// A gateway can print only details whose types are linked in. Without these, every error would be HTTP 500.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/cases"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/compare"
	gatewayv1 "github.com/trace-completion/trace-completion/tests/gateway/v1"
)

const (
	path = "/v1/stats/querier/tracing-completion-by-external-app-spans"
	// maxAnswerBytes is the largest answer that a server sends. The default of gRPC is 4 MiB.
	maxAnswerBytes = 64 << 20
)

func main() {
	cases.Main(func(target string) (func(context.Context, *cases.Case) error, func(), error) {
		address, stop, err := serve(target)
		if err != nil {
			return nil, nil, err
		}
		door := func(ctx context.Context, c *cases.Case) error {
			return check(ctx, "http://"+target+path, "http://"+address+path, c)
		}
		return door, stop, nil
	})
}

// serve runs the gateway in front of the server at target, on a free port.
//
// No option of the gateway is set. Its marshaller, runtime.JSONPb, prints fields without a value
// (EmitUnpopulated is on), because the documented answer has all keys. It prints the JSON names of the contract
// (UseProtoNames is off): OPT_STATUS and not opt_status, _ids and not ids.
func serve(target string) (address string, stop func(), err error) {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)))
	if err != nil {
		return "", nil, err
	}
	mux := runtime.NewServeMux()
	if err := gatewayv1.RegisterTraceCompletionServiceHandler(context.Background(), mux, conn); err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	return listener.Addr().String(), func() { server.Close(); <-done; conn.Close() }, nil
}

// reply is an answer over HTTP.
type reply struct {
	status int
	body   any
}

func post(ctx context.Context, url string, body []byte) (*reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	value, err := compare.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("HTTP %d with a body that is no JSON: %w", response.StatusCode, err)
	}
	return &reply{response.StatusCode, value}, nil
}

// check asks both doors the same question. It compares each answer with the case, and one with the other.
func check(ctx context.Context, rest, gateway string, c *cases.Case) error {
	ours, err := post(ctx, rest, c.Request)
	if err != nil {
		return fmt.Errorf("REST: %w", err)
	}
	theirs, err := post(ctx, gateway, c.Request)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if want := stockStatus(ours.status); theirs.status != want {
		return fmt.Errorf("gateway: HTTP %d, want %d as REST says %d; bodies %s and %s",
			theirs.status, want, ours.status, text(theirs.body), text(ours.body))
	}
	if c.Error != nil {
		return checkErrors(ours, theirs, c.Error)
	}
	return checkAnswers(ours, theirs, c)
}

// stockStatus is the HTTP status of the gateway where the REST door has this one. Two differ, because gRPC has
// only one code for success, and only one for everything that is too large or too much.
func stockStatus(ours int) int {
	switch ours {
	case http.StatusPartialContent:
		return http.StatusOK
	case http.StatusRequestEntityTooLarge:
		return http.StatusTooManyRequests
	default:
		return ours
	}
}

func checkAnswers(ours, theirs *reply, c *cases.Case) error {
	wanted, err := c.Wanted()
	if err != nil {
		return err
	}
	status := http.StatusOK
	if object, _ := wanted.(map[string]any); object["OPT_STATUS"] == "PARTIAL_RESULT" {
		status = http.StatusPartialContent
	}
	if ours.status != status {
		return fmt.Errorf("REST: HTTP %d, want %d; body %s", ours.status, status, text(ours.body))
	}
	answer := (&v1.CompleteTraceResponse{}).ProtoReflect().Descriptor()
	ourBody, theirBody := cases.Steady(ours.body), cases.Steady(compare.Unquoted(theirs.body, answer))
	return errors.Join(
		cases.Differs("gateway and REST", compare.Differences(theirBody, ourBody)),
		cases.Differs("gateway and case", compare.Differences(theirBody, wanted)))
}

func checkErrors(ours, theirs *reply, want *cases.Error) error {
	if ours.status != want.HTTP {
		return fmt.Errorf("REST: HTTP %d, want %d; body %s", ours.status, want.HTTP, text(ours.body))
	}
	if status := runtime.HTTPStatusFromCode(want.Code); theirs.status != status {
		return fmt.Errorf("gateway: HTTP %d, want %d; body %s", theirs.status, status, text(theirs.body))
	}
	// A REST error has the keys of the documented answer and those of the gateway.
	body, _ := ours.body.(map[string]any)
	if body["OPT_STATUS"] != want.OptStatus || body["DESCRIPTION"] != body["message"] {
		return fmt.Errorf("REST: the envelope is not that of %s: %s", want.OptStatus, text(body))
	}
	delete(body, "OPT_STATUS")
	delete(body, "DESCRIPTION")
	if err := errors.Join(withoutRequestID(ours.body), withoutRequestID(theirs.body)); err != nil {
		return err
	}
	return errors.Join(
		cases.Differs("gateway and REST", compare.Differences(theirs.body, ours.body)),
		checkDetails(theirs.body, want))
}

// detailsOf returns the details of an error body by their type.
func detailsOf(body any) map[string]map[string]any {
	found := map[string]map[string]any{}
	object, _ := body.(map[string]any)
	details, _ := object["details"].([]any)
	for _, detail := range details {
		if detail, ok := detail.(map[string]any); ok {
			name, _ := detail["@type"].(string)
			found[name] = detail
		}
	}
	return found
}

const (
	errorInfo  = "type.googleapis.com/google.rpc.ErrorInfo"
	badRequest = "type.googleapis.com/google.rpc.BadRequest"
)

// withoutRequestID removes the id of the request from an error body, because each call has another one.
func withoutRequestID(body any) error {
	metadata, _ := detailsOf(body)[errorInfo]["metadata"].(map[string]any)
	if id, _ := metadata["request_id"].(string); id == "" {
		return fmt.Errorf("the error names no request: %s", text(body))
	}
	delete(metadata, "request_id")
	return nil
}

// checkDetails compares an error body with the error of the case.
func checkDetails(body any, want *cases.Error) error {
	object, _ := body.(map[string]any)
	details := detailsOf(body)
	got := map[string]any{
		"code":       object["code"],
		"reason":     details[errorInfo]["reason"],
		"domain":     details[errorInfo]["domain"],
		"violations": violations(details[badRequest]),
	}
	var wanted []any
	for _, violation := range want.Violations {
		wanted = append(wanted, map[string]any{"field": violation.Field, "description": violation.Description})
	}
	return cases.Differs("gateway and case", compare.Differences(got, map[string]any{
		"code":       json.Number(fmt.Sprint(uint32(want.Code))),
		"reason":     want.Reason,
		"domain":     "tracecompletion.v1",
		"violations": wanted,
	}))
}

// violations returns the violations of a BadRequest, each with the keys that the contract promises.
func violations(detail map[string]any) []any {
	listed, _ := detail["fieldViolations"].([]any)
	var found []any
	for _, violation := range listed {
		violation, _ := violation.(map[string]any)
		found = append(found, map[string]any{
			"field": violation["field"], "description": violation["description"],
		})
	}
	return found
}

func text(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
