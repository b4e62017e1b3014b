// fetch (Fetch Standard), by means of the node.
(native, web) => {
  'use strict';

  const { content, expose, headerValues, need, nullBody, responseOf, setContent, take, uncurry } = web;
  const { Promise, Request } = globalThis;
  const { ownKeys } = Reflect;
  const split = uncurry(String.prototype.split);
  const test = uncurry(RegExp.prototype.test);
  const then = uncurry(Promise.prototype.then);

  // bare is a URL without its fragment, which is never sent.
  const bare = (url) => split(url, '#', 1)[0];

  const send = (request) => {
    const url = bare(request.url);
    if (!test(/^https?:/, url))
      throw new TypeError(`fetch knows URLs of the schemes http and https only, not "${url}"`);
    const body = content(request) === null ? new Uint8Array(0) : take(request);
    const values = headerValues(request.headers);
    const headers = {};
    for (const name of ownKeys(values)) headers[name] = [...values[name]];
    return native.request(
      'http',
      'request',
      { method: request.method, url, headers, redirect: request.redirect },
      body,
    );
  };

  const receive = (request, { meta, body }) => {
    const response = responseOf({
      type: 'basic',
      status: meta.status,
      statusText: meta.status_text ?? '',
      url: bare(meta.url ?? request.url),
      redirected: !!meta.redirected,
      headers: meta.headers ?? {},
    });
    if (!nullBody(meta.status) && request.method !== 'HEAD') setContent(response, body);
    return response;
  };

  expose({
    fetch(input, init = undefined) {
      return new Promise((resolve, reject) => {
        need(arguments, 1, 'fetch');
        const request = new Request(input, init);
        const signal = request.signal;
        if (web.aborted(signal)) throw web.abortReason(signal);
        const answered = send(request);
        web.onAborted(signal, () => reject(web.abortReason(signal)));
        then(
          answered,
          (answer) => {
            web.unfollow(signal);
            resolve(receive(request, answer));
          },
          (err) => {
            web.unfollow(signal);
            reject(new TypeError(`fetch failed: ${err?.message ?? err}`, { cause: err }));
          },
        );
      });
    },
  });
}
