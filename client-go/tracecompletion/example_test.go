package tracecompletion_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"google.golang.org/grpc"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// exampleServer answers every question with the spans of the question and one system span below each.
func exampleServer() (address string, stop func()) {
	complete := func(request *v1.CompleteTraceRequest) *v1.CompleteTraceResponse {
		data := &v1.CompletedTrace{}
		for _, span := range request.GetAppSpans() {
			data.Tracing = append(data.Tracing,
				&v1.Span{Name: span.GetName(), TapSide: "c-app", DeepflowSpanId: span.GetSpanId()},
				&v1.Span{Name: "/cart", TapSide: "c-p", DeepflowSpanId: "7", DeepflowParentSpanId: span.GetSpanId()})
		}
		return &v1.CompleteTraceResponse{OptStatus: "SUCCESS", Data: data}
	}
	fake := &testserver.Fake{
		Complete: func(_ context.Context, request *v1.CompleteTraceRequest) (*v1.CompleteTraceResponse, error) {
			return complete(request), nil
		},
		Stream: func(
			request *v1.StreamCompleteTraceRequest, stream grpc.ServerStreamingServer[v1.StreamCompleteTraceResponse],
		) error {
			chunk := &v1.SpanChunk{Spans: complete(request.GetRequest()).GetData().GetTracing()}
			summary := &v1.CompletionSummary{OptStatus: "SUCCESS", SpanCount: int64(len(chunk.GetSpans())), ChunkCount: 1}
			progress := &v1.CompletionProgress{Iteration: 1, RowsFound: 1}
			for _, piece := range []*v1.StreamCompleteTraceResponse{
				{Part: &v1.StreamCompleteTraceResponse_Progress{Progress: progress}},
				{Part: &v1.StreamCompleteTraceResponse_Chunk{Chunk: chunk}},
				{Part: &v1.StreamCompleteTraceResponse_Summary{Summary: summary}},
			} {
				if err := stream.Send(piece); err != nil {
					return err
				}
			}
			return nil
		},
		Batch: echo,
	}
	address, stop, err := fake.Serve(testserver.AnyPort)
	if err != nil {
		log.Fatal(err)
	}
	return address, stop
}

// exampleRequest is a request about one span of a client.
func exampleRequest() *v1.CompleteTraceRequest {
	return &v1.CompleteTraceRequest{AppSpans: []*v1.AppSpan{{
		TraceId: "a03a848c3121b817b0e866fb71607bc2", SpanId: "d5b574eb7ac48503", Name: "buy",
		SpanKind: v1.SpanKind_SPAN_KIND_CLIENT, StartTimeUs: 1681960139619998, EndTimeUs: 1681960139620004,
	}}}
}

func ExampleClient_Complete() {
	address, stop := exampleServer()
	defer stop()

	client, err := tracecompletion.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	answer, err := client.Complete(context.Background(), &v1.CompleteTraceRequest{
		AppSpans: []*v1.AppSpan{{
			TraceId: "a03a848c3121b817b0e866fb71607bc2", SpanId: "d5b574eb7ac48503",
			SpanKind: v1.SpanKind_SPAN_KIND_CLIENT, AppService: "shop", Name: "buy",
			StartTimeUs: 1681960139619998, EndTimeUs: 1681960139620004,
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, span := range answer.GetData().GetTracing() {
		fmt.Printf("%q <- %q  %s %s\n", span.GetDeepflowSpanId(), span.GetDeepflowParentSpanId(),
			span.GetTapSide(), span.GetName())
	}
	// Output:
	// "d5b574eb7ac48503" <- ""  c-app buy
	// "7" <- "d5b574eb7ac48503"  c-p /cart
}

// One span of the demo, and what its server finds around it.
func ExampleClient_Complete_demo() {
	address, stop, err := testserver.Demo()
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	client, err := tracecompletion.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	answer, err := client.Complete(context.Background(), &v1.CompleteTraceRequest{AppSpans: []*v1.AppSpan{{
		TraceId: "f7a463809bc1b6447b28dcfd957dbc70", SpanId: "302642fce338b0ae",
		SpanKind: v1.SpanKind_SPAN_KIND_SERVER, AppService: "service-a", Name: "GET /orders",
		StartTimeUs: 1767262830400935, EndTimeUs: 1767262830423432,
	}}})
	if err != nil {
		log.Fatal(err)
	}
	for _, span := range answer.GetData().GetTracing() {
		fmt.Printf("%s <- %s  %s %s\n", span.GetDeepflowSpanId(), span.GetDeepflowParentSpanId(),
			span.GetTapSide(), span.GetName())
	}
	// Output:
	// None.s.0 <-   s /shop/orders
	// 0x69564a6e0040002d.s-p.1 <- None.s.0  s-p /shop/orders
	// 0x69564a6e0040002c.c-p.2 <- 0x69564a6e0040002d.s-p.1  c-p /orders
	// None.c.3 <- 0x69564a6e0040002c.c-p.2  c /orders
	// None.c-nd.4 <- None.c.3  c-nd /orders
	// None.s-nd.5 <- None.c-nd.4  s-nd /orders
	// None.s.6 <- None.s-nd.5  s /orders
	// 0x69564a6e00400027.s-p.7 <- None.s.6  s-p /orders
	// 302642fce338b0ae <- 0x69564a6e00400027.s-p.7  s-app GET /orders
	// 3a7770b64fe48b5f.c-p.9 <- 302642fce338b0ae  c-p /stock/7
	// 3a7770b64fe48b5f.c.10 <- 3a7770b64fe48b5f.c-p.9  c /stock/7
	// 3a7770b64fe48b5f.c-nd.11 <- 3a7770b64fe48b5f.c.10  c-nd /stock/7
	// 3a7770b64fe48b5f.s-nd.12 <- 3a7770b64fe48b5f.c-nd.11  s-nd /stock/7
	// 3a7770b64fe48b5f.s.13 <- 3a7770b64fe48b5f.s-nd.12  s /stock/7
	// 3a7770b64fe48b5f.s-p.14 <- 3a7770b64fe48b5f.s.13  s-p /stock/7
	// 0x69564a6e00400006.c-p.15 <- 3a7770b64fe48b5f.s-p.14  c-p mysql.shop.svc.cluster.local
	// 0x69564a6e00400009.c-p.16 <- 3a7770b64fe48b5f.s-p.14  c-p SELECT quantity FROM stock WHERE item = ?
	// None.c.17 <- 0x69564a6e00400009.c-p.16  c SELECT quantity FROM stock WHERE item = ?
	// None.c-nd.18 <- None.c.17  c-nd SELECT quantity FROM stock WHERE item = ?
	// 0x69564a6e0040000d.c-p.19 <- 3a7770b64fe48b5f.s-p.14  c-p GET price:7
	// None.c.20 <- 0x69564a6e0040000d.c-p.19  c GET price:7
	// None.s.21 <- None.c.20  s GET price:7
	// 0x69564a6e0040000a.s-p.22 <- None.s.21  s-p GET price:7
	// 2e934b7706d1dd24.c-p.23 <- 3a7770b64fe48b5f.s-p.14  c-p /prices/7
	// 2e934b7706d1dd24.c.24 <- 2e934b7706d1dd24.c-p.23  c /prices/7
	// 2e934b7706d1dd24.c-nd.25 <- 2e934b7706d1dd24.c.24  c-nd /prices/7
	// 2e934b7706d1dd24.s-nd.26 <- 2e934b7706d1dd24.c-nd.25  s-nd /prices/7
	// 2e934b7706d1dd24.s.27 <- 2e934b7706d1dd24.s-nd.26  s /prices/7
	// 2e934b7706d1dd24.s-p.28 <- 2e934b7706d1dd24.s.27  s-p /prices/7
}

func ExampleClient_CompleteStream() {
	address, stop := exampleServer()
	defer stop()
	client, err := tracecompletion.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for piece, err := range client.CompleteStream(context.Background(), exampleRequest()) {
		if err != nil {
			log.Fatal(err)
		}
		switch part := piece.GetPart().(type) {
		case *v1.StreamCompleteTraceResponse_Progress:
			fmt.Println("rows found:", part.Progress.GetRowsFound())
		case *v1.StreamCompleteTraceResponse_Chunk:
			fmt.Println("spans:", len(part.Chunk.GetSpans()))
		case *v1.StreamCompleteTraceResponse_Summary:
			fmt.Println(part.Summary.GetOptStatus())
		}
	}
	// Output:
	// rows found: 1
	// spans: 2
	// SUCCESS
}

func ExampleClient_CompleteBatch() {
	address, stop := exampleServer()
	defer stop()
	client, err := tracecompletion.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	batch, err := client.CompleteBatch(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer batch.Close()
	go func() {
		// If Send or CloseSend fails, Receive returns the error.
		_ = batch.Send("good", exampleRequest())
		_ = batch.Send("empty", &v1.CompleteTraceRequest{})
		_ = batch.CloseSend()
	}()
	for {
		answer, err := batch.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if answer.Err != nil {
			fmt.Println(answer.ID, answer.Err)
			continue
		}
		fmt.Println(answer.ID, answer.Response.GetOptStatus())
	}
	// Unordered output:
	// good SUCCESS
	// empty tracecompletion: InvalidArgument (INVALID_REQUEST): app_spans: at least 1 span is required
}

func ExampleError() {
	nobody, release, err := testserver.ReserveAddress()
	if err != nil {
		log.Fatal(err)
	}
	defer release()
	client, err := tracecompletion.New(nobody, tracecompletion.WithoutRetry())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	_, err = client.Complete(context.Background(), exampleRequest())
	var fault *tracecompletion.Error
	if errors.As(err, &fault) {
		fmt.Println(fault.Code, fault.Reason, fault.Violations, fault.RetryDelay)
	}
	// Output: Unavailable ERROR_REASON_UNSPECIFIED [] 0s
}

func ExampleNew_secure() {
	token := func(context.Context) (string, error) { return "read from where your tokens are", nil }
	client, err := tracecompletion.New("dns:///trace-completion.example.com:20418",
		tracecompletion.WithTLS(&tls.Config{MinVersion: tls.VersionTLS13}),
		tracecompletion.WithBearerToken(token),
		tracecompletion.WithOrganisation("1"),
		tracecompletion.WithTimeout(10*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Close())
	// Output: <nil>
}
