// A readable view of /api/openapi.json.

const element = (tag, text = "", ...children) => {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

/** The shape of a schema, as a small example. */
function example(schema, schemas, depth = 0) {
  if (!schema || depth > 12) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.$ref) return example(schemas[schema.$ref.split("/").pop()], schemas, depth + 1);
  const choice = (schema.oneOf ?? schema.anyOf)?.find((it) => it.type !== "null");
  if (choice) return example(choice, schemas, depth + 1);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties)
      .map(([name, value]) => [name, example(value, schemas, depth + 1)]));
  }
  const type = [schema.type].flat().find((it) => it !== "null");
  if (type === "array") return [example(schema.items, schemas, depth + 1)];
  return schema.default ?? schema.format ?? type ?? null;
}

/** Prose with `code` in it. */
const prose = (text) => element("p", "", ...text.split("`").map((part, index) => (index % 2 ? element("code", part) : part)));

/** Error codes become targets: the `type` of a problem is /docs#code. */
function withAnchors(description, status) {
  if (status < 400) return [description];
  return description.split(/([a-z]+(?:_[a-z]+)+)/).map((part, index) => {
    if (index % 2 === 0) return part;
    const code = element("code", part);
    if (!document.getElementById(part)) code.id = part;
    return code;
  });
}

function block(value) {
  const made = element("pre", typeof value === "string" ? value : JSON.stringify(value, null, 2));
  made.tabIndex = 0; // who has no mouse must be able to scroll it
  return made;
}

function showOperation(method, path, operation, schemas) {
  const section = element("section");
  section.className = "card";
  section.append(element("h2", `${method.toUpperCase()} ${path}`), prose(operation.summary ?? ""));
  if (operation.description) section.append(prose(operation.description));
  for (const parameter of operation.parameters ?? []) {
    section.append(element("p", "", element("code", parameter.name), ` (${parameter.in}): ${parameter.description ?? ""}`));
  }
  const body = operation.requestBody?.content["application/json"]?.schema;
  if (body) section.append(element("p", "Request"), block(example(body, schemas)));
  for (const [status, response] of Object.entries(operation.responses)) {
    section.append(element("p", "", element("code", status), " ", ...withAnchors(response.description, status)));
    const schema = response.content?.["application/json"]?.schema;
    if (schema && status < 300) section.append(block(example(schema, schemas)));
  }
  return section;
}

const api = await (await fetch("/api/openapi.json")).json();
const schemas = api.components?.schemas ?? {};
document.querySelector("#description").textContent = api.info.description;
for (const [path, operations] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    document.querySelector("#operations").append(showOperation(method, path, operation, schemas));
  }
}
document.getElementById(location.hash.slice(1))?.scrollIntoView();
