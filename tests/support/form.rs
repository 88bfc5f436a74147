//! Submits forms of pages by their buttons, without scripts.

use url::Url;

use crate::browser::{Answer, Browser};

impl Browser {
    /// Presses the first button of `page` whose text contains `label`, and sends its form, without following redirects.
    ///
    /// # Panics
    ///
    /// If there is no such button in a form that posts.
    pub async fn press(&self, page: &Answer, label: &str) -> Answer {
        let html = page.text();
        let form = html
            .split("<form")
            .skip(1)
            .filter_map(|form| Form::read(form, &page.url, label))
            .next()
            .unwrap_or_else(|| panic!("no button says `{label}` on {}: {html}", page.url));
        let fields: Vec<_> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.submit(form.action.as_str(), &fields).await
    }
}

/// What a form sends once one of its buttons is pressed.
struct Form {
    action: Url,
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads what follows `<form`, if it posts and a button in it says `label`.
    fn read(html: &str, base: &Url, label: &str) -> Option<Self> {
        let (tag, content) = html.split("</form>").next()?.split_once('>')?;
        let buttons = content.split("<button").skip(1).filter_map(|button| button.split_once('>'));
        let (button, _) = buttons
            .map(|(tag, rest)| (tag, rest.split("</button>").next().unwrap_or_default()))
            .find(|(_, text)| text.contains(label))?;
        if attribute(tag, "method")? != "post" {
            return None;
        }
        let inputs = content.split("<input").skip(1).filter_map(|input| input.split('>').next());
        let field = |tag: &str| {
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
        };
        Some(Self {
            action: base.join(&attribute(tag, "action").unwrap_or_default()).ok()?,
            fields: inputs.chain([button]).filter_map(field).collect(),
        })
    }
}

/// The value of an attribute within a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let raw = value.split('"').next()?.to_owned();
    Some(entities.iter().fold(raw, |text, (entity, character)| text.replace(entity, character)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_sends_its_own_form() {
        let page = r#"<form method="get" action="/search"><button>Go</button></form>
            <form method="post" action="/a?x=1&amp;y=2">
              <input type="hidden" name="user" value="O&#39;Neil"><input name="empty"><input value="no name">
              <button name="to" value="&lt;1&gt;"><b>Go</b> there</button>
              <button name="to" value="2">Go home</button>
            </form>"#;
        let base = Url::parse("http://localhost:1/page?old").unwrap();
        let pressed =
            |label| page.split("<form").skip(1).find_map(|html| Form::read(html, &base, label));

        let form = pressed("Go").unwrap();
        assert_eq!(form.action.as_str(), "http://localhost:1/a?x=1&y=2");
        let fields = [("user", "O'Neil"), ("empty", ""), ("to", "<1>")];
        assert_eq!(form.fields, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(pressed("Go home").unwrap().fields[2].1, "2");
        assert!(pressed("Stop").is_none());
    }
}
