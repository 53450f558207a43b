"""The server of the interop tests on grpcio. It prints its address, and runs until it is told to
stop. With a folder as its argument it serves with TLS and the certificate in it."""

import pathlib
import signal
import sys
import time
from concurrent import futures

import failures_pb2_grpc
import grpc
import testing_pb2 as testing
import testing_pb2_grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
CODES = {code.value[0]: code for code in grpc.StatusCode}


def echo_metadata(context):
    metadata = dict(context.invocation_metadata())
    if INITIAL in metadata:
        context.send_initial_metadata([(INITIAL, metadata[INITIAL])])
    if TRAILING in metadata:
        context.set_trailing_metadata([(TRAILING, metadata[TRAILING])])


def as_asked(request, context):
    status = request.response_status
    if status.code:
        context.abort(CODES[status.code], status.message)


def answers(request):
    for parameters in request.response_parameters:
        time.sleep(parameters.interval_us / 1e6)
        yield testing.StreamingOutputCallResponse(payload=testing.Payload(body=bytes(parameters.size)))


class Tests(testing_pb2_grpc.TestServiceServicer):
    def EmptyCall(self, request, context):
        return testing.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        as_asked(request, context)
        return testing.SimpleResponse(payload=testing.Payload(body=bytes(request.response_size)))

    def StreamingOutputCall(self, request, context):
        as_asked(request, context)
        yield from answers(request)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return testing.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            as_asked(request, context)
            yield from answers(request)


class Failures(failures_pb2_grpc.FailuresServicer):
    def Fail(self, request, context):
        detail = any_pb2.Any()
        detail.Pack(request)
        status = status_pb2.Status(code=request.code, message=request.message, details=[detail])
        status = rpc_status.to_status(status)
        metadata = [pair for pair in context.invocation_metadata() if pair[0].startswith("x-")]
        context.abort_with_status(status._replace(trailing_metadata=(*status.trailing_metadata, *metadata)))


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), compression=grpc.Compression.Gzip)
    testing_pb2_grpc.add_TestServiceServicer_to_server(Tests(), server)
    failures_pb2_grpc.add_FailuresServicer_to_server(Failures(), server)
    if len(sys.argv) > 1:
        key, chain = (pathlib.Path(sys.argv[1], name).read_bytes() for name in ["server.key", "server.pem"])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    signal.sigwait([signal.SIGINT, signal.SIGTERM])
    server.stop(None)


if __name__ == "__main__":
    main()
