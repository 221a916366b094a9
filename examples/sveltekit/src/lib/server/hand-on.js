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
    onward.on('error', () => resolve(new Response('No answer.', { status: 502 })));
    if (request.body) Readable.fromWeb(request.body).pipe(onward);
    else onward.end();
  });
}

const OF_THE_CONNECTION =
  'connection,expect,keep-alive,te,trailer,transfer-encoding,upgrade'.split(',');
