//! All mutants of a file in its text at once.
//!
//! The body of a function becomes a `match`: its first arm is the body as it was, and each other arm is the body with one
//! mutant. Which arm runs is known when the program starts, so that one build is enough for all mutants.

use std::{collections::BTreeMap, ops::RangeInclusive};

use anyhow::Result;
use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    visit::{self, Visit},
};

use super::mutant::{Mutant, Place};

/// The text of a file with its mutants.
#[derive(Debug, Default)]
pub(super) struct Weave {
    pub(super) text: String,
    /// The lines of each mutant.
    arms: Vec<(RangeInclusive<usize>, usize)>,
    /// The lines of each function, and the mutants in it.
    bodies: Vec<(RangeInclusive<usize>, Vec<usize>)>,
    /// Mutants that no running function can choose: they are in `const fn`, or outside functions.
    pub(super) apart: Vec<usize>,
}

impl Weave {
    pub(super) fn of(text: &str, mutants: &[&Mutant]) -> Result<Self> {
        let mut functions = Functions::default();
        functions.visit_file(&syn::parse_file(text)?);
        let mut woven = Self::default();
        let mut chosen: BTreeMap<Place, (Body, Vec<&Mutant>)> = BTreeMap::new();
        for mutant in mutants {
            match functions.bodies.iter().find(|body| body.holds(mutant)) {
                Some(body) if !body.is_const => {
                    chosen.entry(body.start).or_insert((*body, Vec::new())).1.push(mutant);
                }
                _ => woven.apart.push(mutant.id),
            }
        }
        let mut end = 0;
        for (body, mutants) in chosen.values() {
            let start = body.start.offset(text);
            woven.text += &text[end..start];
            end = body.end.offset(text);
            woven.push_body(text, start..end, mutants);
        }
        woven.text += &text[end..];
        Ok(woven)
    }

    /// The mutants that an error in this line is about: one, or all of a function.
    pub(super) fn at(&self, line: usize) -> At<'_> {
        let holds = |lines: &RangeInclusive<usize>| lines.contains(&line);
        if let Some((_, mutant)) = self.arms.iter().find(|(lines, _)| holds(lines)) {
            return At::Mutant(*mutant);
        }
        match self.bodies.iter().find(|(lines, _)| holds(lines)) {
            Some((_, mutants)) => At::Function(mutants),
            None => At::Elsewhere,
        }
    }

    fn push_body(&mut self, text: &str, body: std::ops::Range<usize>, mutants: &[&Mutant]) {
        let ids: Vec<_> = mutants.iter().map(|mutant| mutant.id).collect();
        let first = self.line();
        self.text += &format!(" match crate::mutant_awake(&{ids:?}) {{\n0 => {{");
        self.text += &text[body.clone()];
        self.text += "}\n";
        for mutant in mutants {
            let (start, end) = (mutant.start.offset(text), mutant.end.offset(text));
            let first = self.line();
            self.text += &format!("{} => {{", mutant.id);
            self.text += &text[body.start..start];
            self.text += &mutant.replacement;
            self.text += &text[end..body.end];
            self.text += "\n}";
            self.arms.push((first..=self.line(), mutant.id));
            self.text += "\n";
        }
        self.text += "_ => unreachable!(),\n}";
        self.bodies.push((first..=self.line(), ids));
    }

    /// The line that its text ends in.
    fn line(&self) -> usize {
        self.text.matches('\n').count() + 1
    }
}

/// What an error is about.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum At<'a> {
    Mutant(usize),
    Function(&'a [usize]),
    Elsewhere,
}

/// Says in a running program which mutant is awake, and writes down which ones could be; for the root of a crate.
pub(super) const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(dead_code)]
pub(crate) fn mutant_awake(mutants: &[usize]) -> usize {
    use std::{collections::BTreeSet, fs::File, io::Write, sync::{Mutex, OnceLock}};

    static AWAKE: OnceLock<usize> = OnceLock::new();
    static REACHED: OnceLock<Option<Mutex<(File, BTreeSet<usize>)>>> = OnceLock::new();
    let reached = REACHED.get_or_init(|| {
        let path = std::env::var_os("MUTANTS_REACHED")?;
        let file = File::options().append(true).create(true).open(path).ok()?;
        Some(Mutex::new((file, BTreeSet::new())))
    });
    if let Some(Ok(mut reached)) = reached.as_ref().map(Mutex::lock) {
        if reached.1.insert(mutants[0]) {
            let mut line = String::new();
            mutants.iter().for_each(|mutant| line += &format!("{mutant}\n"));
            reached.0.write_all(line.as_bytes()).unwrap();
        }
    }
    let awake = *AWAKE.get_or_init(|| {
        std::env::var("MUTANT_AWAKE").ok().and_then(|it| it.parse().ok()).unwrap_or(0)
    });
    if mutants.contains(&awake) { awake } else { 0 }
}
"#;

/// The functions of a file that are in no other function.
#[derive(Default)]
struct Functions {
    bodies: Vec<Body>,
}

/// What is between the braces of a function.
#[derive(Clone, Copy)]
struct Body {
    start: Place,
    end: Place,
    is_const: bool,
}

impl Functions {
    fn push(&mut self, signature: &Signature, block: &Block) {
        self.bodies.push(Body {
            start: block.brace_token.span.open().end().into(),
            end: block.brace_token.span.close().start().into(),
            is_const: signature.constness.is_some(),
        });
    }
}

impl Body {
    fn holds(&self, mutant: &Mutant) -> bool {
        self.start <= mutant.start && mutant.end <= self.end
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.push(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.push(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        match &function.default {
            Some(block) => self.push(&function.sig, block),
            None => visit::visit_trait_item_fn(self, function),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(id: usize, [line, start, end]: [usize; 3], replacement: &str) -> Mutant {
        Mutant {
            id,
            name: String::new(),
            file: String::new(),
            start: Place { line, column: start },
            end: Place { line, column: end },
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn a_function_has_an_arm_for_each_mutant_and_an_error_in_it_is_about_that_one() {
        let text = "fn f() -> bool {\n    1 == 2\n}\nconst fn g() -> u8 { 3 }\nfn h() {}\n";
        let mutants = [
            mutant(1, [2, 4, 10], "true"),
            mutant(2, [2, 6, 8], "!="),
            mutant(3, [4, 21, 22], "0"),
        ];
        let woven = Weave::of(text, &mutants.each_ref()).unwrap();
        assert_eq!(woven.apart, [3]);
        assert!(syn::parse_file(&woven.text).is_ok(), "{}", woven.text);
        let line = |part: &str| {
            woven.text.lines().position(|line| line.contains(part)).unwrap_or_default() + 1
        };
        assert_eq!(woven.at(line("true")), At::Mutant(1));
        assert_eq!(woven.at(line("1 != 2")), At::Mutant(2));
        assert_eq!(woven.at(line("1 == 2")), At::Function(&[1, 2]));
        assert_eq!(woven.at(line("fn h")), At::Elsewhere);
    }
}
