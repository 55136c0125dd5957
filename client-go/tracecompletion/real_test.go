package tracecompletion_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// withRows starts the real server with an embedded ClickHouse and the rows of its demo.
func withRows(t *testing.T) (*testserver.Process, *v1.CompleteTraceRequest) {
	t.Helper()
	address := testserver.FreeAddress(t)
	process := testserver.Start(t, address, nil, "demo", "--keep", "--listen", address)
	process.Ready(t, "/readyz", 200)
	body, err := exec.Command(testserver.Program(t), "demo", "--request").Output()
	if err != nil {
		t.Fatal(err)
	}
	request := &v1.CompleteTraceRequest{}
	if err := protojson.Unmarshal(body, request); err != nil {
		t.Fatal(err)
	}
	return process, request
}

// withoutRows starts the real server without a flow log.
func withoutRows(t *testing.T, address string, variables ...string) *testserver.Process {
	t.Helper()
	nobody := "http://" + testserver.FreeAddress(t)
	process := testserver.Start(t, address, variables, "serve", "--listen", address, "--clickhouse-url", nobody)
	process.Ready(t, "/healthz", 200)
	return process
}

func TestTheRealServerCompletesTheDemo(t *testing.T) {
	process, request := withRows(t)
	client := newClient(t, process.Address)
	if err := client.Healthy(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	whole, err := client.Complete(within(t, 20*time.Second), request)
	if err != nil {
		t.Fatal(err)
	}
	spans := whole.GetData().GetTracing()
	if whole.GetOptStatus() != "SUCCESS" || len(spans) <= len(request.GetAppSpans()) {
		t.Fatalf("%s %q, %d spans for %d", whole.GetOptStatus(), whole.GetDescription(), len(spans), len(request.GetAppSpans()))
	}
	ids := map[string]bool{"": true}
	for _, span := range spans {
		ids[span.GetDeepflowSpanId()] = true
	}
	for _, span := range spans {
		if !ids[span.GetDeepflowParentSpanId()] {
			t.Errorf("the parent of %s is not in the answer", span.GetDeepflowSpanId())
		}
	}

	rounds := 0
	streamed, err := tracecompletion.Collect(func(yield func(*v1.StreamCompleteTraceResponse, error) bool) {
		for piece, err := range client.CompleteStream(within(t, 20*time.Second), request) {
			if piece.GetProgress().GetRowsFound() > 0 {
				rounds++
			}
			if !yield(piece, err) {
				return
			}
		}
	})
	if err != nil || !proto.Equal(streamed, whole) {
		t.Errorf("the streamed answer is another (%v)", err)
	}
	if rounds == 0 {
		t.Error("no progress was told")
	}

	batch, err := client.CompleteBatch(within(t, 30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	go func() {
		for i := range 40 {
			if batch.Send(fmt.Sprint(i), request) != nil {
				return
			}
		}
		_ = batch.CloseSend()
	}()
	for range 40 {
		answer, err := batch.Receive()
		if err != nil || answer.Err != nil || !proto.Equal(answer.Response, whole) {
			t.Fatalf("%s: %v %v", answer.ID, err, answer.Err)
		}
	}
}

func TestTheRealServersErrors(t *testing.T) {
	process := withoutRows(t, testserver.FreeAddress(t))
	client := newClient(t, process.Address, tracecompletion.WithoutRetry())
	if err := client.Healthy(within(t, 10*time.Second)); !errors.Is(err, tracecompletion.ErrNotServing) {
		t.Errorf("%v", err)
	}
	bad := question()
	bad.AppSpans[0].EndTimeUs = 0
	for name, c := range map[string]struct {
		request *v1.CompleteTraceRequest
		code    codes.Code
		reason  v1.ErrorReason
		fields  string
	}{
		"invalid": {
			bad, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_REQUEST, "app_spans[0].end_time_us",
		},
		"no store": {question(), codes.Unavailable, v1.ErrorReason_ERROR_REASON_STORE_UNREACHABLE, ""},
	} {
		check := func(err error) {
			t.Helper()
			var fault *tracecompletion.Error
			if !errors.As(err, &fault) {
				t.Fatalf("%s: %v", name, err)
			}
			var fields []string
			for _, violation := range fault.Violations {
				fields = append(fields, violation.Field)
			}
			if fault.Code != c.code || fault.Reason != c.reason || strings.Join(fields, " ") != c.fields || fault.RequestID == "" {
				t.Errorf("%s: %+v", name, fault)
			}
		}
		_, err := client.Complete(within(t, 10*time.Second), c.request)
		check(err)
		_, err = tracecompletion.Collect(client.CompleteStream(within(t, 10*time.Second), c.request))
		check(err)
	}
}

func TestTheRealServerThatIsBusyIsAskedAgain(t *testing.T) {
	process := withoutRows(t, testserver.FreeAddress(t),
		"TRACE_COMPLETION_LIMITS_MAX_CONCURRENT=1", "TRACE_COMPLETION_LIMITS_MAX_WAITING=0")
	// Questions without ids ask the flow log nothing, so that they are answered without one.
	client := newClient(t, process.Address)
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			request := largeQuestion(2000)
			_, err := client.Complete(context.Background(), request)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// largeQuestion has spans without trace ids, which the server gives back without asking its flow log.
func largeQuestion(spans int) *v1.CompleteTraceRequest {
	request := &v1.CompleteTraceRequest{}
	for i := range spans {
		span := proto.Clone(question().GetAppSpans()[0]).(*v1.AppSpan)
		span.TraceId, span.SpanId, span.Name = "", fmt.Sprintf("s%d", i), strings.Repeat("n", 60)
		if i > 0 {
			span.ParentSpanId = fmt.Sprintf("s%d", (i-1)/10)
		}
		request.AppSpans = append(request.AppSpans, span)
	}
	return request
}

func TestTheRealServerStreamsTwentyThousandSpans(t *testing.T) {
	process := withoutRows(t, testserver.FreeAddress(t), "TRACE_COMPLETION_LIMITS_MAX_APP_SPANS=20000")
	client := newClient(t, process.Address)
	begin := time.Now()
	spans, chunks, largest := 0, 0, 0
	for piece, err := range client.CompleteStream(within(t, 60*time.Second), largeQuestion(20_000)) {
		if err != nil {
			t.Fatal(err)
		}
		if chunk := piece.GetChunk(); chunk != nil {
			chunks++
			spans += len(chunk.GetSpans())
			largest = max(largest, proto.Size(chunk))
		}
	}
	t.Logf("%d spans in %d chunks of at most %d bytes, in %s", spans, chunks, largest, time.Since(begin))
	if spans != 20_000 || largest > 1<<20 || chunks < 2 {
		t.Errorf("%d spans in %d chunks of at most %d bytes", spans, chunks, largest)
	}
}

func TestTheRealServerIsKilledAndComesBack(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	address := testserver.FreeAddress(t)
	client, err := tracecompletion.New(address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	first := withoutRows(t, address)
	small := largeQuestion(1)
	if _, err := client.Complete(within(t, 10*time.Second), small); err != nil {
		t.Fatal(err)
	}

	// In the middle of a stream of calls.
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := client.Complete(context.Background(), small); err != nil {
				done <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	first.Kill()
	time.Sleep(500 * time.Millisecond)
	second := withoutRows(t, address)
	time.Sleep(200 * time.Millisecond)
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	second.Kill()

	begin := time.Now()
	_, err = client.Complete(within(t, time.Second), small)
	var fault *tracecompletion.Error
	if !errors.As(err, &fault) || fault.Code != codes.Unavailable {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 1500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	// Before the leak check looks.
	client.Close()
}

// The generated code is made from the same contract that the server has compiled in.
func TestTheGeneratedCodeIsCurrent(t *testing.T) {
	process := withoutRows(t, testserver.FreeAddress(t))
	conn, err := grpc.NewClient(process.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []protoreflect.FileDescriptor{
		v1.File_tracecompletion_v1_trace_completion_proto, v1.File_tracecompletion_v1_error_reason_proto,
	} {
		ask := &reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: file.Path()},
		}
		if err := stream.Send(ask); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		ours := protodesc.ToFileDescriptorProto(file)
		found := false
		for _, bytes := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
			theirs := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(bytes, theirs); err != nil {
				t.Fatal(err)
			}
			if theirs.GetName() != file.Path() {
				continue
			}
			found = true
			theirs.SourceCodeInfo = nil
			if !proto.Equal(ours, theirs) {
				t.Errorf("%s: the generated code is not of the server's contract, run make generate", file.Path())
			}
		}
		if !found {
			t.Errorf("the server does not know %s: %v", file.Path(), answer)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
}
