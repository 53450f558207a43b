"""The client of the interop tests on grpcio: makes the calls of each case that is named, and prints
a line for it. The variable CA_FILE names the root of servers with TLS."""

import os
import pathlib
import queue
import sys
import traceback

import failures_pb2_grpc
import grpc
import testing_pb2 as testing
import testing_pb2_grpc
from grpc_status import rpc_status

INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
SENT = [27182, 8, 1828, 45904]
ANSWERED = [31415, 9, 2653, 58979]
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
PATIENCE = 20


def payload(size):
    return testing.Payload(body=bytes(size))


def message(sent, *answered):
    parameters = [testing.ResponseParameters(size=size) for size in answered]
    return testing.StreamingOutputCallRequest(response_parameters=parameters, payload=payload(sent))


def equal(is_, due):
    assert is_ == due, f"{is_!r}, and {due!r} is due"


def failed(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call ended well, and is to fail")


def empty_unary(tests, **options):
    equal(tests.EmptyCall(testing.Empty(), timeout=PATIENCE, **options), testing.Empty())


def large_unary(tests, **options):
    request = testing.SimpleRequest(response_size=314159, payload=payload(271828))
    equal(len(tests.UnaryCall(request, timeout=PATIENCE, **options).payload.body), 314159)


def client_streaming(tests, **options):
    requests = (testing.StreamingInputCallRequest(payload=payload(size)) for size in SENT)
    answer = tests.StreamingInputCall(requests, timeout=PATIENCE, **options)
    equal(answer.aggregated_payload_size, sum(SENT))


def server_streaming(tests, **options):
    answers = tests.StreamingOutputCall(message(0, *ANSWERED), timeout=PATIENCE, **options)
    equal([len(answer.payload.body) for answer in answers], ANSWERED)


def ping_pong(tests, **options):
    requests = queue.Queue()
    answers = tests.FullDuplexCall(iter(requests.get, None), timeout=PATIENCE, **options)
    for sent, due in zip(SENT, ANSWERED):
        requests.put(message(sent, due))
        equal(len(next(answers).payload.body), due)
    requests.put(None)
    equal(list(answers), [])


def empty_stream(tests):
    equal(list(tests.FullDuplexCall(iter([]), timeout=PATIENCE)), [])


def timeout_on_sleeping_server(tests):
    requests = queue.Queue()
    requests.put(message(27182))
    answers = tests.FullDuplexCall(iter(requests.get, None), timeout=0.001)
    equal(failed(lambda: next(answers)).code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    requests.put(None)


def cancel_after_begin(tests):
    requests = queue.Queue()
    call = tests.StreamingInputCall.future(iter(requests.get, None))
    call.cancel()
    assert call.cancelled()
    requests.put(None)
    empty_unary(tests)


def cancel_after_first_response(tests):
    requests = queue.Queue()
    requests.put(message(27182, 31415))
    answers = tests.FullDuplexCall(iter(requests.get, None), timeout=PATIENCE)
    equal(len(next(answers).payload.body), 31415)
    answers.cancel()
    equal(failed(lambda: next(answers)).code(), grpc.StatusCode.CANCELLED)
    requests.put(None)
    empty_unary(tests)


def status_code_and_message(tests, text="test status message"):
    status = testing.EchoStatus(code=2, message=text)
    error = failed(lambda: tests.UnaryCall(testing.SimpleRequest(response_status=status), timeout=PATIENCE))
    equal((error.code(), error.details()), (grpc.StatusCode.UNKNOWN, text))
    request = testing.StreamingOutputCallRequest(response_status=status)
    error = failed(lambda: list(tests.FullDuplexCall(iter([request]), timeout=PATIENCE)))
    equal((error.code(), error.details()), (grpc.StatusCode.UNKNOWN, text))


def special_status_message(tests):
    status_code_and_message(tests, SPECIAL)


def custom_metadata(tests):
    request = testing.SimpleRequest(response_size=1, payload=payload(1))
    _, call = tests.UnaryCall.with_call(request, metadata=[INITIAL, TRAILING], timeout=PATIENCE)
    calls = [call, tests.FullDuplexCall(iter([message(1, 1)]), metadata=[INITIAL, TRAILING], timeout=PATIENCE)]
    equal(len(list(calls[1])), 1)
    for call in calls:
        equal([pair for pair in call.initial_metadata() if pair[0] == INITIAL[0]], [INITIAL])
        equal([pair for pair in call.trailing_metadata() if pair[0] == TRAILING[0]], [TRAILING])


def unimplemented(tests, channel, service):
    call = channel.unary_unary(f"/grpc.testing.{service}/UnimplementedCall")
    equal(failed(lambda: call(b"", timeout=PATIENCE)).code(), grpc.StatusCode.UNIMPLEMENTED)


def error_details(failures):
    asked = testing.EchoStatus(code=9, message="not now: 100% \u263a")
    metadata = [("x-why", "so"), ("x-why-bin", b"\xff\x00")]
    error = failed(lambda: failures.Fail(asked, metadata=metadata, timeout=PATIENCE))
    equal((error.code(), error.details()), (grpc.StatusCode.FAILED_PRECONDITION, asked.message))
    details = rpc_status.from_call(error).details
    equal(len(details), 1)
    detail = testing.EchoStatus()
    assert details[0].Unpack(detail), details
    equal(detail, asked)
    equal([pair for pair in error.trailing_metadata() if pair[0].startswith("x-why")], metadata)


def gzip(tests):
    for case in [empty_unary, large_unary, client_streaming, server_streaming, ping_pong]:
        case(tests, compression=grpc.Compression.Gzip)


def connect(address):
    if "CA_FILE" not in os.environ:
        return grpc.insecure_channel(address)
    root = pathlib.Path(os.environ["CA_FILE"]).read_bytes()
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(root))


def main():
    address, *cases = sys.argv[1:]
    passed = True
    with connect(address) as channel:
        tests = testing_pb2_grpc.TestServiceStub(channel)
        failures = failures_pb2_grpc.FailuresStub(channel)
        special = {
            "unimplemented_method": lambda: unimplemented(tests, channel, "TestService"),
            "unimplemented_service": lambda: unimplemented(tests, channel, "UnimplementedService"),
            "error_details": lambda: error_details(failures),
        }
        for case in cases:
            try:
                special[case]() if case in special else globals()[case](tests)
                print(f"ok      {case}", flush=True)
            except Exception:
                print(f"FAILED  {case}: {traceback.format_exc()}", flush=True)
                passed = False
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
