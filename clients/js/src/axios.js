// axios: the same as the client's fetch, by two interceptors.
import { CSRF_HEADER } from './http.js';

/** @type {typeof import('./axios.js').attach} */
export function attach(axios, client) {
  /** @type {WeakMap<object, string>} The requests that we have signed, and with which token. */
  const signed = new WeakMap();
  const request = axios.interceptors.request.use(async (/** @type {any} */ config) => {
    const { headers, signal, [REFUSED]: refused } = config;
    if (!trusts(config) || (headers.has('Authorization') && !refused)) return config;
    const token = await client.accessToken({ signal, refused }).catch((error) => {
      // axios says so in its own words.
      if (signal?.aborted) return undefined;
      throw error;
    });
    if (!token) return config;
    headers.set('Authorization', 'Bearer ' + token);
    signed.set(config, token);
    if (client.csrfToken && !SAFE.test(config.method ?? 'get'))
      headers.set(CSRF_HEADER, client.csrfToken);
    return config;
  });

  const response = axios.interceptors.response.use(
    async (response) =>
      response.status === 401 ? ((await again(response)) ?? response) : response,
    async (error) => {
      const better = error.response?.status === 401 && (await again(error.response));
      if (better) return better;
      throw error;
    },
  );

  return () => {
    axios.interceptors.request.eject(request);
    axios.interceptors.response.eject(response);
  };

  /** The answer to a second try with another token; nothing where that makes no sense. */
  async function again(/** @type {any} */ { config, headers }) {
    const refused = signed.get(config);
    // A stream is used up; a password is not given again by a refresh.
    if (
      !refused ||
      config[REFUSED] ||
      config.data?.pipe ||
      config.data?.getReader ||
      /insufficient_user/.test(headers['www-authenticate'])
    )
      return;
    const better = await client
      .accessToken({ signal: config.signal, refused })
      .catch(() => undefined);
    if ((better && better !== refused) || config.signal?.aborted)
      return axios.request({ ...config, [REFUSED]: refused });
  }

  function trusts(/** @type {any} */ config) {
    try {
      return client.trusts(new URL(axios.getUri(config), globalThis.location?.href));
    } catch {
      return false;
    }
  }
}

/**
 * Marks the second try with the token that was refused at the first: another session's does not
 * take its place. axios copies the settings of a request, so the mark has to be one of them.
 */
const REFUSED = 'countersignRefused';

const SAFE = /^(get|head|options|trace)$/i;
