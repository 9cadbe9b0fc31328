import { connect } from "node:http2";
import { connect as connectUnix } from "node:net";

// A client that opens a stream of events and takes as many bytes of it as it is told, once and for all.
const [path = "", windowBytes] = process.argv.slice(2);
const session = connect("http://localhost", {
  createConnection: () => connectUnix(path),
  settings: { initialWindowSize: Number(windowBytes) },
});
const stream = session.request({
  ":method": "POST",
  ":path": "/stint.v1.History/TailEvents",
  "content-type": "application/grpc",
  te: "trailers",
});
// A message of two bytes, `after_sequence: 0`: all events there are, so that there is something to take.
stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, 0x00]));
stream.once("response", () => process.stdout.write("streaming\n"));
