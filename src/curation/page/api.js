// Requests to the server. A fault becomes an Error with the server's words and status.
let csrf = "";

export async function request(method, path, body) {
  const headers = {};
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const reply = await fetch(path, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const json = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    const error = new Error(json.error?.message ?? `the server said ${reply.status}`);
    error.status = reply.status;
    throw error;
  }
  if (json.csrf) csrf = json.csrf;
  return json;
}

export async function values(position, slice, channels) {
  const reply = await fetch(`/api/records/${position}/slices/${slice}`);
  if (!reply.ok) throw new Error(`the slice cannot be read (${reply.status})`);
  const bytes = await reply.arrayBuffer();
  return channels === 3 ? new Uint8Array(bytes) : new Float32Array(bytes);
}
