// The client of @connectrpc/connect, in the protocol that is named: connect, grpc or grpc-web.
// In a browser it is the same but for the transport: `createConnectTransport` or
// `createGrpcWebTransport` of @connectrpc/connect-web.

import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Library } from "./generated/library_pb.js";

const [address, protocol] = process.argv.slice(2);
const options = { baseUrl: `http://${address}`, httpVersion: "2" };
const transport = {
  connect: () => createConnectTransport({ ...options, useHttpGet: true }),
  grpc: () => createGrpcTransport(options),
  "grpc-web": () => createGrpcWebTransport(options),
}[protocol]();
const library = createClient(Library, transport);

const { title, author } = await library.find({ id: 3n });
console.log(`find: ${title} by ${author}`);

for await (const book of library.byAuthor({ author: "George Eliot" })) {
  console.log(`by author: ${book.title}`);
}

async function* each(...messages) {
  yield* messages;
}
const { returned } = await library.return(each({ id: 1n }, { id: 2n }, { id: 7n }));
console.log(`return: ${returned} of 3 are ours`);

for await (const book of library.ask(each({ title: "Emma" }, { title: "Ulysses" }))) {
  console.log(`ask: ${book.title} has the number ${book.id}`);
}

try {
  await library.find({ id: 4n });
} catch (error) {
  console.log(`error: ${ConnectError.from(error).message}`);
}
process.exit();
