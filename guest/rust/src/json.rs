//! As much of JSON as requests and answers need.

use crate::Headers;

/// How deep values may nest: what the node answers is flat.
const MAX_DEPTH: usize = 16;

/// Writes an object, member by member.
pub struct Object(String);

impl Object {
    pub fn new() -> Object {
        Object("{".to_string())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        write_text(&mut self.0, name);
        self.0.push(':');
    }

    pub fn text(mut self, name: &str, value: &str) -> Object {
        self.name(name);
        write_text(&mut self.0, value);
        self
    }

    /// A number, left out if it is 0.
    pub fn number(mut self, name: &str, value: u64) -> Object {
        if value != 0 {
            self.name(name);
            self.0.push_str(&value.to_string());
        }
        self
    }

    /// A truth value, left out if it is false.
    pub fn truth(mut self, name: &str, value: bool) -> Object {
        if value {
            self.name(name);
            self.0.push_str("true");
        }
        self
    }

    /// Headers as an object of arrays, left out if there are none.
    pub fn headers(mut self, name: &str, headers: &Headers) -> Object {
        if headers.0.is_empty() {
            return self;
        }
        self.name(name);
        self.0.push('{');
        for (i, (key, _)) in headers.0.iter().enumerate() {
            if headers.0[..i].iter().any(|(k, _)| k == key) {
                continue;
            }
            if i > 0 {
                self.0.push(',');
            }
            write_text(&mut self.0, key);
            self.0.push_str(":[");
            let values = headers.0.iter().filter(|(k, _)| k == key);
            for (n, (_, value)) in values.enumerate() {
                if n > 0 {
                    self.0.push(',');
                }
                write_text(&mut self.0, value);
            }
            self.0.push(']');
        }
        self.0.push('}');
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.push('}');
        self.0.into_bytes()
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Parses a value that is all of the bytes.
    pub fn parse(bytes: &[u8]) -> Option<Value> {
        let mut parser = Parser {
            text: std::str::from_utf8(bytes).ok()?,
        };
        let value = parser.value(0)?;
        parser.space();
        if parser.text.is_empty() {
            Some(value)
        } else {
            None
        }
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn truth(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn size(&self) -> Option<u64> {
        match self {
            Value::Number(n) if *n >= 0.0 && n.fract() == 0.0 && *n < 9e15 => Some(*n as u64),
            _ => None,
        }
    }

    /// The elements; none if it is no array, as an empty list may be null.
    pub fn elements(&self) -> &[Value] {
        match self {
            Value::Array(elements) => elements,
            _ => &[],
        }
    }

    /// An object of arrays of texts as headers.
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::default();
        if let Value::Object(members) = self {
            for (name, values) in members {
                for value in values.elements() {
                    headers.add(name, value.text().unwrap_or_default());
                }
            }
        }
        headers
    }
}

struct Parser<'a> {
    text: &'a str,
}

impl<'a> Parser<'a> {
    fn space(&mut self) {
        self.text = self.text.trim_start_matches(&[' ', '\t', '\r', '\n'][..]);
    }

    /// Skips a word if it comes next.
    fn skip(&mut self, word: &str) -> bool {
        match self.text.strip_prefix(word) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    /// Skips a word that has to come next.
    fn want(&mut self, word: &str) -> Option<()> {
        self.space();
        if self.skip(word) {
            Some(())
        } else {
            None
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        match self.text.chars().next()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Value::Text),
            't' => self.want("true").map(|_| Value::Bool(true)),
            'f' => self.want("false").map(|_| Value::Bool(false)),
            'n' => self.want("null").map(|_| Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.want("{")?;
        let mut members = Vec::new();
        self.space();
        if self.skip("}") {
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.want(":")?;
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.skip("}") {
                return Some(Value::Object(members));
            }
            self.want(",")?;
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.want("[")?;
        let mut elements = Vec::new();
        self.space();
        if self.skip("]") {
            return Some(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            if self.skip("]") {
                return Some(Value::Array(elements));
            }
            self.want(",")?;
        }
    }

    fn number(&mut self) -> Option<Value> {
        let end = self.text.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let (digits, rest) = self.text.split_at(end.unwrap_or(self.text.len()));
        self.text = rest;
        digits.parse().ok().map(Value::Number)
    }

    fn string(&mut self) -> Option<String> {
        if !self.skip("\"") {
            return None;
        }
        let mut out = String::new();
        loop {
            let end = self.text.find(&['"', '\\'][..])?;
            out.push_str(&self.text[..end]);
            let quote = self.text[end..].starts_with('"');
            self.text = &self.text[end + 1..];
            if quote {
                return Some(out);
            }
            out.push(self.escaped()?);
        }
    }

    /// Reads what follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        let c = self.text.chars().next()?;
        self.text = &self.text[c.len_utf8()..];
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return None,
        })
    }

    /// Reads four hexadecimal digits, and four more if they are the first half of a character.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.text;
        if self.skip("\\u") {
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.text = before; // it is a character of its own
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(..4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.text = &self.text[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes() {
        let mut headers = Headers::default();
        headers.add("a", "1");
        headers.add("b", "\"\\\n");
        headers.add("a", "2");
        let json = Object::new()
            .text("key", "größe\t")
            .number("none", 0)
            .number("n", 7)
            .truth("no", false)
            .truth("yes", true)
            .headers("headers", &headers)
            .end();
        let want = r#"{"key":"größe\u0009","n":7,"yes":true,"headers":{"a":["1","2"],"b":["\"\\\u000a"]}}"#;
        assert_eq!(String::from_utf8(json).unwrap(), want);
    }

    #[test]
    fn reads() {
        let json = br#" {"a" : [1, -2.5, 1e3, true, false, null, []], "b":{"c":"x\n\u00e4\ud83d\ude00\ud83d\u0041\/"} , "h":{"n":["1","2"]}} "#;
        let v = Value::parse(json).unwrap();
        let a = v.get("a").unwrap().elements();
        assert_eq!(a.len(), 7);
        assert_eq!(a[0].size(), Some(1));
        assert_eq!((a[1].size(), a[2].size()), (None, Some(1000)));
        assert_eq!((a[3].truth(), a[4].truth(), a[5].truth()), (Some(true), Some(false), None));
        let text = v.get("b").unwrap().get("c").unwrap().text();
        assert_eq!(text, Some("x\nä😀\u{fffd}A/"));
        let headers = v.get("h").unwrap().headers();
        assert_eq!(headers.0, [("n".into(), "1".into()), ("n".into(), "2".into())]);
        for cut in 0..json.len() - 1 {
            assert_eq!(Value::parse(&json[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn refuses() {
        for bad in ["", "{", "[1,]", "{\"a\"}", "\"\\x\"", "\"\\u12\"", "1 2", "nul", "-", "\u{e4}", "\"\\u+123\""] {
            assert_eq!(Value::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Value::parse("[".repeat(1000).as_bytes()), None);
        assert_eq!(Value::parse(b"\"\xff\""), None);
    }
}
