const JSON_TYPE = /^application\/json\s*(;|$)/i;
const EVENT_STREAM = /^text\/event-stream\s*(;|$)/i;

export function isJson(headers: Headers): boolean {
  return JSON_TYPE.test(contentTypeOf(headers));
}

export function isEventStream(headers: Headers): boolean {
  return EVENT_STREAM.test(contentTypeOf(headers));
}

function contentTypeOf(headers: Headers): string {
  return headers.get("content-type") ?? "";
}
