package tracecompletion_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
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
	process := testserver.Start(t, testserver.AnyPort, nil, "demo", "--keep")
	process.Ready(t, "/readyz", 200)
	return process, demoRequest(t)
}

// demoRequest is the question that the demo asks.
func demoRequest(t *testing.T) *v1.CompleteTraceRequest {
	t.Helper()
	body, err := exec.Command(testserver.Program(t), "demo", "--request").Output()
	if err != nil {
		t.Fatal(err)
	}
	request := &v1.CompleteTraceRequest{}
	if err := protojson.Unmarshal(body, request); err != nil {
		t.Fatal(err)
	}
	return request
}

// withoutRows starts the real server without a flow log.
func withoutRows(t *testing.T, variables ...string) *testserver.Process {
	t.Helper()
	nobody := "http://" + testserver.Reserve(t)
	process := testserver.Start(t, testserver.AnyPort, variables, "serve", "--clickhouse-url", nobody)
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
		t.Fatalf("%s %q, %d spans for %d",
			whole.GetOptStatus(), whole.GetDescription(), len(spans), len(request.GetAppSpans()))
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
	process := withoutRows(t)
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
			if fault.Code != c.code || fault.Reason != c.reason || strings.Join(fields, " ") != c.fields ||
				fault.RequestID == "" {
				t.Errorf("%s: %+v", name, fault)
			}
		}
		_, err := client.Complete(within(t, 10*time.Second), c.request)
		check(err)
		_, err = tracecompletion.Collect(client.CompleteStream(within(t, 10*time.Second), c.request))
		check(err)
	}
}

// One call occupies the only place, so the next one is rejected. Then the place becomes free, and the call is
// tried again.
func TestTheRealServerThatIsBusyIsAskedAgain(t *testing.T) {
	store, asked := silentStore(t)
	process := testserver.Start(t, testserver.AnyPort,
		[]string{"TRACE_COMPLETION_LIMITS_MAX_CONCURRENT=1", "TRACE_COMPLETION_LIMITS_MAX_WAITING=0"},
		"serve", "--clickhouse-url", store)
	process.Ready(t, "/healthz", 200)

	holding, release := context.WithCancel(within(t, time.Minute))
	held := make(chan error, 1)
	holder := newClient(t, process.Address)
	go func() {
		_, err := holder.Complete(holding, question())
		held <- err
	}()
	select {
	case <-asked:
	case err := <-held:
		t.Fatal(err)
	}

	// A question without ids needs no flow log, so it is answered although the flow log is silent.
	request := largeQuestion(1)
	var fault *tracecompletion.Error
	_, err := newClient(t, process.Address, tracecompletion.WithoutRetry()).
		Complete(within(t, 10*time.Second), request)
	if !errors.As(err, &fault) || fault.Code != codes.ResourceExhausted || fault.RetryDelay <= 0 ||
		fault.Reason != v1.ErrorReason_ERROR_REASON_SERVER_BUSY {
		t.Errorf("%v", err)
	}
	var tries []codes.Code
	client := newClient(t, process.Address, tracecompletion.WithDialOptions(grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker,
		opts ...grpc.CallOption,
	) error {
		err := call(ctx, method, request, answer, conn, opts...)
		tries = append(tries, status.Code(err))
		release()
		return err
	})))
	if _, err := client.Complete(within(t, 30*time.Second), request); err != nil {
		t.Error(err)
	}
	if len(tries) < 2 || tries[0] != codes.ResourceExhausted {
		t.Errorf("the tries ended with %v", tries)
	}
	if err := <-held; !errors.Is(err, context.Canceled) {
		t.Errorf("the call that held the place: %v", err)
	}
}

// largeQuestion has spans without trace ids. The server returns them without asking its flow log.
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
	process := withoutRows(t, "TRACE_COMPLETION_LIMITS_MAX_APP_SPANS=20000")
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

// The generated code and the server are made from the same contract.
func TestTheGeneratedCodeIsCurrent(t *testing.T) {
	process := withoutRows(t)
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
