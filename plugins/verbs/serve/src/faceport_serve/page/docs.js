// The description of the interface as a page.

const made = (tag, ...inner) => { const one = document.createElement(tag); one.append(...inner); return one; };
const described = await (await fetch("/openapi.json")).json();
const found = (one) => one.$ref ? one.$ref.slice(2).split("/").reduce((at, key) => at[key], described) : one;

for (const [path, methods] of Object.entries(described.paths)) {
  for (const [method, said] of Object.entries(methods)) {
    const article = made("article", made("h2", `${method.toUpperCase()} ${path}`), made("p", said.summary));
    for (const one of (said.parameters ?? []).map(found)) {
      article.append(made("p", made("code", one.name), one.required ? " (required) " : " ", one.description ?? ""));
    }
    const bodies = Object.keys(found(said.requestBody ?? {}).content ?? {});
    if (bodies.length) article.append(made("p", `Body: ${bodies.join(" or ")}`));
    for (const [status, answer] of Object.entries(said.responses)) {
      article.append(made("p", made("code", status), ` ${found(answer).description}`));
    }
    document.getElementById("paths").append(article);
  }
}
