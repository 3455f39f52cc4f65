// What the page asks of the service.

export const token = {
  get value() { return sessionStorage.getItem("token") ?? ""; },
  set value(given) { sessionStorage.setItem("token", given); },
};

export class Refused extends Error {
  constructor(status, sentence) { super(sentence); this.status = status; }
}

export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refused(0, "The service does not answer. Is it still running?");
  }
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({ error: `The service answered ${answer.status}.` }));
  if (!answer.ok) throw new Refused(answer.status, said.error);
  return said;
}

// Where there is no room, come again when the service says so.
export async function askPatiently(path, options = {}) {
  for (let tries = 0; ; tries++) {
    try {
      return await ask(path, options);
    } catch (error) {
      if (error.status !== 429 || tries === 20) throw error;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

export const query = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null)).toString();
