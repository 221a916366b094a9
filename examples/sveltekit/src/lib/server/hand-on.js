import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';

/**
 * Hands a request on to a server behind this one, and its answer back as it is. Not by `fetch`,
 * which says of each request that a script has sent it; Countersign minds where a browser binds its
 * session to a device.
 */
export function handOn({ request, url, getClientAddress }, server, path) {
  const headers = Object.fromEntries(request.headers);
  for (const name of ['host', 'forwarded', ...OF_THE_CONNECTION]) delete headers[name];
  // Whom Countersign counts attempts by. What the browser says of itself is not believed.
  headers['x-forwarded-for'] = getClientAddress();
  const { method, signal } = request;
  const { request: send } = server.startsWith('https:') ? https : http;
  return new Promise((resolve) => {
    const onward = send(`${server}${path}${url.search}`, { method, headers, signal }, (answer) => {
      const back = new Headers();
      for (const [name, values] of Object.entries(answer.headersDistinct))
        if (!OF_THE_CONNECTION.includes(name))
          for (const value of values) back.append(name, value);
      const status = answer.statusCode;
      const isEmpty = method === 'HEAD' || status === 204 || status === 304;
      resolve(new Response(isEmpty ? null : Readable.toWeb(answer), { status, headers: back }));
    });
    // 413: the body is longer than SvelteKit takes.
    onward.on('error', ({ status = 502 }) => resolve(new Response('No answer.', { status })));
    if (!request.body) return onward.end();
    const body = Readable.fromWeb(request.body);
    // The browser has gone in mid-body, say. An error of a stream that nobody listens for ends the
    // whole process, and `pipe` does not listen.
    body.on('error', (error) => onward.destroy(error));
    body.pipe(onward);
  });
}

const OF_THE_CONNECTION =
  'connection,expect,keep-alive,te,trailer,transfer-encoding,upgrade'.split(',');
