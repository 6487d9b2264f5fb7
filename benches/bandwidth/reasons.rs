//! Why a target is missed, or a main metric worse than the opponent's: a sentence for each in `reasons.txt`. A table in which
//! one lacks its sentence is not complete, and one that gives a reason for what holds tells of yesterday.

use std::collections::BTreeMap;

use crate::report::{Figure, Report};

/// By case, model and metric.
pub struct Reasons(BTreeMap<[String; 3], String>);

impl Reasons {
    /// Those of the built-in cases.
    pub fn built_in() -> Result<Self, String> {
        Self::parse(include_str!("reasons.txt"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut reasons = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let fault = || format!("reasons.txt: not `ID MODEL METRIC: sentence`: {line}");
            let (target, sentence) = line.split_once(": ").ok_or_else(fault)?;
            let words: Vec<String> = target.split(' ').map(Into::into).collect();
            let target = <[String; 3]>::try_from(words).map_err(|_| fault())?;
            if reasons.insert(target, sentence.to_string()).is_some() {
                return Err(format!("reasons.txt: twice: {line}"));
            }
        }
        Ok(Self(reasons))
    }

    /// Puts each sentence beside its figure.
    pub fn explain(&self, report: &mut Report) {
        for row in &mut report.scenarios {
            for (name, figure) in row.metrics.iter_mut().filter(|(_, figure)| needs_one(figure)) {
                figure.reason = self.0.get(&[row.id.clone(), row.model.clone(), name.clone()]).cloned();
            }
        }
    }

    /// What is wrong with the sentences for what was run. `is_whole`: every built-in case was.
    pub fn faults(&self, report: &Report, is_whole: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for row in &report.scenarios {
            for (name, figure) in &row.metrics {
                let target = [row.id.clone(), row.model.clone(), name.clone()];
                match (needs_one(figure), self.0.contains_key(&target)) {
                    (true, false) => faults.push(format!("no reason: {}", target.join(" "))),
                    (false, true) => faults.push(format!("stale reason: {}", target.join(" "))),
                    _ => {}
                }
                seen.push(target);
            }
        }
        let unknown = self.0.keys().filter(|target| is_whole && !seen.contains(target));
        faults.extend(unknown.map(|target| format!("reason for no target: {}", target.join(" "))));
        faults
    }
}

fn needs_one(figure: &Figure) -> bool {
    figure.met == Some(false) || figure.main && figure.worse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Row;

    #[test]
    fn every_sentence_of_the_file_is_of_one_target() {
        assert!(Reasons::built_in().is_ok());
        assert!(Reasons::parse("B1 M1 use_pct: Why.\nB1 M1 use_pct: Again.").is_err());
        assert!(Reasons::parse("B1 use_pct: Why.").is_err());
    }

    fn figure(met: bool) -> Figure {
        Figure {
            ours: Some(1.0),
            ours_worst: None,
            gcc: None,
            target: None,
            better: "lower",
            met: Some(met),
            main: false,
            reason: None,
            clearly_better: false,
            worse: false,
        }
    }

    #[test]
    fn what_is_missed_without_a_sentence_and_what_is_met_with_one_are_faults() {
        let metrics =
            BTreeMap::from([("a".into(), figure(false)), ("b".into(), figure(false)), ("c".into(), figure(true))]);
        let (id, model, title) = ("B1".to_string(), "M1".to_string(), String::new());
        let row = Row { id: id.clone(), group: id, title, model, seed_count: 1, metrics };
        let mut report = Report::new(vec![row], 0.0);
        let reasons = Reasons::parse("B1 M1 b: Why.\nB1 M1 c: Why.\nB1 M1 d: Why.").unwrap_or(Reasons(BTreeMap::new()));
        reasons.explain(&mut report);
        let told = report.scenarios.first().and_then(|row| row.metrics.get("b")?.reason.clone());
        assert_eq!(told.as_deref(), Some("Why."));
        let faults = ["no reason: B1 M1 a", "stale reason: B1 M1 c"];
        assert_eq!(reasons.faults(&report, false), faults);
        assert_eq!(reasons.faults(&report, true), [&faults[..], &["reason for no target: B1 M1 d"]].concat());
    }
}
