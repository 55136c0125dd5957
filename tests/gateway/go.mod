module github.com/trace-completion/trace-completion/tests/gateway

go 1.24.0

require github.com/grpc-ecosystem/grpc-gateway/v2 v2.28.0

require (
	github.com/trace-completion/trace-completion/client-go v0.0.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260209200024-4cfbd4190f57
	google.golang.org/grpc v1.79.3
	google.golang.org/protobuf v1.36.11
)

require (
	golang.org/x/net v0.48.0 // indirect
	golang.org/x/sys v0.39.0 // indirect
	golang.org/x/text v0.34.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260209200024-4cfbd4190f57 // indirect
)

replace github.com/trace-completion/trace-completion/client-go => ../../client-go
