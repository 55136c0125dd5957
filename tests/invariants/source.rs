//! A source file as tokens: the words, strings and paths that it has outside comments and tests, and the
//! `use` and `mod` declarations that say what a path means.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One module: a file, or a `mod name { … }` inside a file.
#[derive(Default)]
pub struct Body {
    /// The names that `use` declarations bring into the module.
    pub imports: Vec<Import>,
    /// The paths that its code writes.
    pub paths: Vec<Written>,
    /// Functions, types, constants and macros that the module defines itself.
    pub defined: BTreeSet<String>,
    /// The modules that it declares.
    pub children: Vec<Child>,
    /// Each identifier and keyword, with its line.
    pub words: Vec<(String, usize)>,
    /// Each string literal as it is written, with its line.
    pub strings: Vec<(String, usize)>,
}

/// One name of a `use` declaration.
#[derive(Clone, Debug)]
pub struct Import {
    /// The name in this module; `*` for all names of a module.
    pub name: String,
    pub path: Written,
    /// Whether the declaration is public in any degree, so that others see the name here.
    pub is_public: bool,
}

/// A path as the code writes it.
#[derive(Clone, Debug)]
pub struct Written {
    pub segments: Vec<String>,
    /// Begins with `::`, so its first name is a crate.
    pub is_global: bool,
    pub line: usize,
}

/// A declaration `mod name`.
pub struct Child {
    pub name: String,
    pub what: ChildWhat,
}

pub enum ChildWhat {
    Inline(Body),
    /// In another file: the one that an attribute `#[path = "…"]` names, or the usual one.
    File(Option<String>),
    /// In another file that is compiled for tests only.
    TestFile(Option<String>),
}

/// Reads the text of a file.
pub fn read(path: &str, text: &str) -> Body {
    let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{path} is no Rust: {e}"));
    let mut body = Body::default();
    body.read(&list(tokens), Place::Module);
    body
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Directly in a module, where its items stand.
    Module,
    /// Somewhere in an item.
    Inside,
    Attribute,
}

fn list(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<Vec<TokenTree>> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(list(group.stream())),
        _ => None,
    }
}

/// Whether `::` stands at the index.
fn is_double_colon(tokens: &[TokenTree], at: usize) -> bool {
    let joint = matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.spacing() == Spacing::Joint);
    joint && is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

const DEFINING: [&str; 9] =
    ["struct", "enum", "union", "fn", "const", "static", "trait", "type", "macro_rules"];

impl Body {
    /// Reads the tokens of one level.
    fn read(&mut self, tokens: &[TokenTree], place: Place) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Punct(punct) => match punct.as_char() {
                    '#' => self.read_attribute(tokens, at),
                    '\'' => at + 2, // a lifetime
                    ':' if is_double_colon(tokens, at) => self.read_global_path(tokens, at),
                    _ => at + 1,
                },
                TokenTree::Ident(_) if self.is_use(tokens, at) => self.read_use(tokens, at),
                TokenTree::Ident(ident) if ident == "extern" && is_word(tokens.get(at + 1), "crate") => {
                    self.read_extern_crate(tokens, at)
                }
                TokenTree::Ident(ident) if ident == "mod" && word(tokens.get(at + 1)).is_some() => {
                    self.read_mod(tokens, at)
                }
                TokenTree::Ident(_) => {
                    if place == Place::Module {
                        self.read_definition(tokens, at);
                    }
                    self.read_path(tokens, at, false)
                }
                TokenTree::Group(group) => {
                    let inside = if place == Place::Module { Place::Inside } else { place };
                    self.read(&list(group.stream()), inside);
                    at + 1
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.ends_with(['"', '#']) && text.contains('"') {
                        if place == Place::Attribute {
                            self.read_path_in_string(&text, line(token));
                        }
                        self.strings.push((text, line(token)));
                    }
                    at + 1
                }
            };
        }
    }

    /// At `#`. Documentation is skipped, and what is compiled for tests only.
    fn read_attribute(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let is_inner = is_punct(tokens.get(at + 1), '!');
        let behind = at + if is_inner { 3 } else { 2 };
        let Some(attribute) = group(tokens.get(behind - 1), Delimiter::Bracket) else { return at + 1 };
        if is_word(attribute.first(), "doc") {
            return behind;
        }
        let condition = group(attribute.get(1), Delimiter::Parenthesis).unwrap_or_default();
        let for_tests = condition.len() == 1 && is_word(condition.first(), "test");
        if is_word(attribute.first(), "cfg") && for_tests && !is_inner {
            return self.skip_item(tokens, behind);
        }
        self.read(&attribute, Place::Attribute);
        behind
    }

    /// The index behind the item, field or arm at the index. Of a module for tests the file is kept in mind.
    fn skip_item(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        while let Some(token) = tokens.get(at) {
            if is_word(Some(token), "mod") && is_punct(tokens.get(at + 2), ';') {
                let name = word(tokens.get(at + 1)).unwrap_or_default();
                let what = ChildWhat::TestFile(path_attribute(tokens, at));
                self.children.push(Child { name, what });
            }
            let ends = is_punct(Some(token), ';')
                || is_punct(Some(token), ',')
                || group(Some(token), Delimiter::Brace).is_some();
            at += 1;
            if ends {
                break;
            }
        }
        at
    }

    /// Not `use<'a>`, which lists what a type captures.
    fn is_use(&self, tokens: &[TokenTree], at: usize) -> bool {
        is_word(tokens.get(at), "use") && !is_punct(tokens.get(at + 1), '<')
    }

    fn read_use(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let before = |back: usize| at.checked_sub(back).and_then(|index| tokens.get(index));
        let is_public = is_word(before(1), "pub")
            || (group(before(1), Delimiter::Parenthesis).is_some() && is_word(before(2), "pub"));
        let length = tokens[at..].iter().take_while(|token| !is_punct(Some(token), ';')).count();
        let tree = &tokens[at + 1..at + length];
        let is_global = is_double_colon(tree, 0);
        let start = Written { segments: Vec::new(), is_global, line: line(&tokens[at]) };
        self.read_words(&tokens[at..at + length]);
        self.read_use_tree(if is_global { &tree[2..] } else { tree }, &start, is_public);
        at + length + 1
    }

    fn read_words(&mut self, tokens: &[TokenTree]) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.read_words(&list(group.stream())),
                TokenTree::Ident(ident) => self.words.push((ident.to_string(), line(token))),
                _ => {}
            }
        }
    }

    /// Reads what stands behind `prefix::`.
    fn read_use_tree(&mut self, tokens: &[TokenTree], prefix: &Written, is_public: bool) {
        let mut path = prefix.clone();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let Some(branches) = group(Some(token), Delimiter::Brace) {
                for branch in branches.split(|token| is_punct(Some(token), ',')) {
                    self.read_use_tree(branch, &path, is_public);
                }
                return;
            }
            path.line = line(token);
            if is_punct(Some(token), '*') {
                self.imports.push(Import { name: "*".to_owned(), path, is_public });
                return;
            }
            let Some(segment) = word(Some(token)) else { return };
            // `a::{self}` brings `a`.
            if segment != "self" || path.segments.is_empty() {
                path.segments.push(segment);
            }
            if !is_double_colon(tokens, at + 1) {
                let renamed = is_word(tokens.get(at + 1), "as").then(|| word(tokens.get(at + 2))).flatten();
                if let Some(name) = renamed.or_else(|| path.segments.last().cloned()) {
                    self.imports.push(Import { name, path, is_public });
                }
                return;
            }
            at += 3;
        }
    }

    /// `extern crate std as s;` is `use ::std as s;`.
    fn read_extern_crate(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let start = Written { segments: Vec::new(), is_global: true, line: line(&tokens[at]) };
        let length = tokens[at..].iter().take_while(|token| !is_punct(Some(token), ';')).count();
        self.read_words(&tokens[at..at + length]);
        self.read_use_tree(&tokens[at + 2..at + length], &start, false);
        at + length + 1
    }

    fn read_mod(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let name = word(tokens.get(at + 1)).unwrap_or_default();
        if let Some(inside) = group(tokens.get(at + 2), Delimiter::Brace) {
            let mut body = Body::default();
            body.read(&inside, Place::Module);
            self.children.push(Child { name, what: ChildWhat::Inline(body) });
        } else {
            let what = ChildWhat::File(path_attribute(tokens, at));
            self.children.push(Child { name, what });
        }
        at + 3
    }

    fn read_definition(&mut self, tokens: &[TokenTree], at: usize) {
        let defines = word(tokens.get(at)).is_some_and(|word| DEFINING.contains(&word.as_str()));
        let named = at + if is_punct(tokens.get(at + 1), '!') { 2 } else { 1 };
        if let (true, Some(name)) = (defines, word(tokens.get(named))) {
            self.defined.insert(name);
        }
    }

    fn read_global_path(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        // Behind `>` it goes on from a type: `<T as Trait>::name`.
        let goes_on = at > 0 && is_punct(tokens.get(at - 1), '>');
        match word(tokens.get(at + 2)) {
            Some(_) if !goes_on => self.read_path(tokens, at + 2, true),
            Some(name) => {
                self.words.push((name, line(&tokens[at + 2])));
                at + 3
            }
            None => at + 2,
        }
    }

    /// At the first name of a path.
    fn read_path(&mut self, tokens: &[TokenTree], at: usize, is_global: bool) -> usize {
        let mut segments = Vec::new();
        let mut end = at;
        while let Some(segment) = word(tokens.get(end)) {
            self.words.push((segment.clone(), line(&tokens[end])));
            segments.push(segment);
            end += 1;
            if !(is_double_colon(tokens, end) && word(tokens.get(end + 2)).is_some()) {
                break;
            }
            end += 2;
        }
        let before = |back: usize| at.checked_sub(back).and_then(|index| tokens.get(index));
        let is_member = is_punct(before(1), '.') && !is_punct(before(2), '.');
        let is_macro_variable = is_punct(before(1), '$') && segments[0] != "crate";
        let is_field = segments.len() == 1 && is_punct(tokens.get(end), ':') && !is_double_colon(tokens, end);
        if !is_member && !is_macro_variable && !is_field {
            self.paths.push(Written { segments, is_global, line: line(&tokens[at]) });
        }
        end
    }

    /// `#[serde(with = "a::b")]` names a path in a string.
    fn read_path_in_string(&mut self, literal: &str, line: usize) {
        let text = literal.trim_matches('"');
        let is_global = text.starts_with("::");
        let segments: Vec<String> =
            text.trim_start_matches("::").split("::").map(|segment| segment.trim().to_owned()).collect();
        let is_name =
            |name: &String| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if segments.len() > 1 && segments.iter().all(is_name) {
            self.paths.push(Written { segments, is_global, line });
        }
    }
}

/// The file that an attribute before the declaration at the index names.
fn path_attribute(tokens: &[TokenTree], at: usize) -> Option<String> {
    let belongs =
        |token: &&TokenTree| !is_punct(Some(token), ';') && group(Some(token), Delimiter::Brace).is_none();
    tokens[..at].iter().rev().take_while(belongs).find_map(|token| {
        let attribute = group(Some(token), Delimiter::Bracket)?;
        let names = is_word(attribute.first(), "path") && is_punct(attribute.get(1), '=');
        names.then(|| attribute.get(2).map(|value| value.to_string().trim_matches('"').to_owned()))?
    })
}
