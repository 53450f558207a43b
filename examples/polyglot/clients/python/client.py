"""A gRPC client in Python: all four shapes, and an error."""

import sys

import grpc

# Compiles the contract as it is imported; `grpcio-tools` brings the compiler.
messages, services = grpc.protos_and_services("library.proto")

with grpc.insecure_channel(sys.argv[1]) as channel:
    library = services.LibraryStub(channel)

    book = library.Find(messages.FindRequest(id=3), timeout=5)
    print(f"find: {book.title} by {book.author}")

    for book in library.ByAuthor(messages.ByAuthorRequest(author="George Eliot"), timeout=5):
        print(f"by author: {book.title}")

    returned = library.Return((messages.ReturnRequest(id=id) for id in (1, 2, 7)), timeout=5)
    print(f"return: {returned.returned} of 3 are ours")

    titles = iter([messages.AskRequest(title="Emma"), messages.AskRequest(title="Ulysses")])
    for book in library.Ask(titles, timeout=5):
        print(f"ask: {book.title} has the number {book.id}")

    try:
        library.Find(messages.FindRequest(id=4), timeout=5)
    except grpc.RpcError as error:
        print(f"error: {error.code().name}: {error.details()}")
