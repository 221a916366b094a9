// Takes what a web hook of Countersign tells: npm install standardwebhooks
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.HOOK_SECRET);
// In a database of yours, in the transaction that does what the message asks for.
const seen = new Set();

createServer(async (request, response) => {
  let body;
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    // The bytes as they came: what was parsed and written again is another text.
    body = Buffer.concat(chunks).toString("utf8");
    webhook.verify(body, request.headers);
  } catch {
    // Signed by somebody else; or the sender has gone in mid-body, which would end this process if
    // nobody caught it.
    return response.writeHead(400).end();
  }
  const message = JSON.parse(body);
  // A message comes once or more, with one id.
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) {
    seen.add(id);
    console.log(message.type, message.data.user?.username);
  }
  response.writeHead(204).end();
}).listen(Number(process.env.PORT), "127.0.0.1");
