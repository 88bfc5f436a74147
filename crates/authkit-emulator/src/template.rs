//! JWT templates: text with `{{ … }}` expressions that renders to the custom claims of a token, in WorkOS's syntax.
//!
//! - `{{ user.email }}` is a path below `user`, `organization` or `organization_membership`;
//! - `{{ user.name || user.email || 'nobody' }}` is the first alternative with a value; an alternative may be a literal;
//! - inside a JSON string an expression becomes text, outside of one a JSON value.

use serde_json::{Map, Value, json};

/// A template that has rendered to an object for a sample user.
#[derive(Clone, Debug)]
pub(crate) struct Template(String);

impl Template {
    /// Renders the template once for a sample user who has every field, so that a mistake shows at the start.
    pub(crate) fn parse(content: &str) -> Result<Self, String> {
        let template = Self(content.to_owned());
        let claims = template.render(&probe())?;
        match claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
            Some(reserved) => Err(format!("the claim `{reserved}` is reserved")),
            None => Ok(template),
        }
    }

    /// The claims for `context`, whose members are the roots of the paths.
    pub(crate) fn render(&self, context: &Value) -> Result<Map<String, Value>, String> {
        let text = interpolate(&self.0, context)?;
        let Ok(Value::Object(claims)) = serde_json::from_str(&text) else {
            return Err("it does not render to a JSON object".to_owned());
        };
        Ok(claims)
    }
}

/// Whether a template may set a claim: not a reserved one, and a null leaves a claim out.
pub(crate) fn may_set((name, value): &(&String, &Value)) -> bool {
    !RESERVED.contains(&name.as_str()) && !value.is_null()
}

fn interpolate(content: &str, context: &Value) -> Result<String, String> {
    let (mut rendered, mut rest, mut quoted) = (String::new(), content, false);
    while let Some(character) = rest.chars().next() {
        if let Some(expression) = rest.strip_prefix("{{") {
            let (expression, after) =
                expression.split_once("}}").ok_or("a `{{` has no `}}` that ends it")?;
            let value = evaluate(expression, context)?;
            rendered.push_str(&if quoted { inside_string(&value) } else { value.to_string() });
            rest = after;
            continue;
        }
        let mut length = character.len_utf8();
        match character {
            '\\' if quoted => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            '"' => quoted = !quoted,
            _ => {}
        }
        rendered.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    Ok(rendered)
}

fn evaluate(expression: &str, context: &Value) -> Result<Value, String> {
    for alternative in expression.split("||").map(str::trim) {
        let literal = alternative.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let value = match literal {
            Some(literal) => Value::from(literal),
            None => look_up(alternative, context)?,
        };
        if !value.is_null() {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

/// Looks a path up. An unknown first segment is an error, which finds typing errors; what is below may be missing.
fn look_up(path: &str, context: &Value) -> Result<Value, String> {
    let mut segments = path.split('.');
    let root = segments.next().unwrap_or_default();
    if !ROOTS.contains(&root) {
        return Err(format!("`{path}` begins with none of {}", ROOTS.join(", ")));
    }
    Ok(segments.fold(&context[root], |value, segment| &value[segment]).clone())
}

fn inside_string(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn probe() -> Value {
    let user = json!({ "id": "user_1", "email": "a@b.c", "name": "A", "first_name": "A", "last_name": "B", "metadata": {}, "locale": "en", "external_id": "1" });
    let organization = json!({ "id": "org_1", "name": "A", "metadata": {}, "external_id": "1" });
    json!({ "user": user, "organization": organization, "organization_membership": { "id": "om_1", "role": "member" } })
}

const ROOTS: [&str; 3] = ["user", "organization", "organization_membership"];
const RESERVED: [&str; 6] = ["iss", "sub", "exp", "iat", "nbf", "jti"];

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Value {
        json!({
            "user": { "email": "zoe@initech.test", "first_name": "Zoë \"Z\"", "metadata": { "seats": 5, "nick": null } },
            "organization": { "name": "Initech", "metadata": { "tenant_id": "t1" } },
        })
    }

    #[test]
    fn expressions_become_text_or_json_as_their_place_asks() {
        for (template, expected) in [
            (r#"{"x": "{{ user.email }}"}"#, json!({ "x": "zoe@initech.test" })),
            (r#"{"x": {{ user.email }}}"#, json!({ "x": "zoe@initech.test" })),
            (r#"{"x": {{ user.metadata }}}"#, json!({ "x": { "seats": 5, "nick": null } })),
            (r#"{"x": "{{ user.metadata.seats }} seats"}"#, json!({ "x": "5 seats" })),
            (r#"{"x": {{ user.metadata.seats }}}"#, json!({ "x": 5 })),
            (r#"{"x": "{{user.first_name}}"}"#, json!({ "x": "Zoë \"Z\"" })),
            (r#"{"x": "{{ user.metadata.nick || 'none' }}"}"#, json!({ "x": "none" })),
            (
                r#"{"x": {{ user.nothing.below || organization.metadata.tenant_id }}}"#,
                json!({ "x": "t1" }),
            ),
            (r#"{"x": {{ user.nothing }}}"#, json!({ "x": null })),
            (r#"{"x": "{{ user.nothing }}"}"#, json!({ "x": "" })),
            (r#"{"x": "{{ organization_membership.role }}"}"#, json!({ "x": "" })),
            (
                r#"{"x": "\"{{ organization.name }}\\", "y": {{ organization.name }}}"#,
                json!({ "x": "\"Initech\\", "y": "Initech" }),
            ),
            (
                r#"{"urn:x": {"a": [{{ user.email }}]}}"#,
                json!({ "urn:x": { "a": ["zoe@initech.test"] } }),
            ),
            ("{}", json!({})),
        ] {
            let template =
                Template::parse(template).unwrap_or_else(|error| panic!("{template}: {error}"));
            assert_eq!(
                Value::Object(template.render(&context()).unwrap()),
                expected,
                "{template:?}"
            );
        }
    }

    #[test]
    fn mistakes_are_told_at_once() {
        for (template, problem) in [
            (r#"{"x": {{ usr.email }}}"#, "usr.email"),
            (r#"{"x": {{ }}}"#, "begins with none of"),
            (r#"{"x": {{ user.email }"#, "}}"),
            (r#"{"x": {{ user.email }}"#, "JSON object"),
            ("[1]", "JSON object"),
            ("", "JSON object"),
            (r#"{"exp": 1}"#, "`exp` is reserved"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(problem), "{template}: {error}");
        }
    }
}
