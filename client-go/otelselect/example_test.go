package otelselect_test

import (
	"fmt"
	"log"

	"go.opentelemetry.io/otel/propagation"

	"github.com/trace-completion/trace-completion/client-go/otelselect"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

func ExampleSelect() {
	// The trace is gateway -> shop (two spans) -> cart (two spans). For a span of the shop, all are selected
	// except the inner span of the cart.
	all := spans(`
		gateway - gateway
		buy gateway shop
		call buy shop
		serve call cart
		count serve cart`)
	x := all[1]

	picked := otelselect.Select(all, x)
	request := &v1.CompleteTraceRequest{AppSpans: otelselect.AppSpans(picked)}

	for _, span := range request.GetAppSpans() {
		fmt.Println(span.GetAppService(), span.GetName())
	}
	// Output:
	// gateway gateway
	// shop buy
	// shop call
	// cart serve
}

func ExamplePropagate() {
	client, err := tracecompletion.New("dns:///trace-completion:20418",
		otelselect.Propagate(propagation.TraceContext{}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Close())
	// Output: <nil>
}
