package otelselect_test

import (
	"fmt"

	"github.com/trace-completion/trace-completion/client-go/otelselect"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

func ExampleSelect() {
	// gateway -> shop (two spans) -> cart (two spans): of the shop's span, all but the cart's inner one.
	all := spans(`
		gateway - gateway
		buy gateway shop
		call buy shop
		serve call cart
		count serve cart`)
	picked := otelselect.Select(all, all[1])
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
