use super::*;

fn treasury_with(from: &str, to: &str) -> Result<Scenario, String> {
    assert!(TREASURY.contains(from), "the treasury has no {from:?}");
    Scenario::parse(&TREASURY.replacen(from, to, 1))
}

fn refused(from: &str, to: &str, cause: &str) {
    let error = treasury_with(from, to).expect_err(cause);
    assert!(error.contains(cause), "{error:?} does not name {cause:?}");
}

#[test]
fn the_treasury_holds_what_the_demo_shows() {
    let scenario = Scenario::load(None).unwrap();
    assert_eq!(scenario.organisations.len(), 4);
    let closes = |expect| scenario.proposals.iter().any(|proposal| proposal.expect == expect);
    assert!(closes(DecisionStatus::Approved) && closes(DecisionStatus::Rejected));
    assert!(closes(DecisionStatus::Expired));
    assert!(scenario.proposals.iter().any(|proposal| proposal.lane == Lane::OnChain && proposal.execute));
    let has = |wanted: fn(&Step) -> bool| scenario.steps.iter().any(wanted);
    assert!(has(|step| matches!(step, Step::Forge { .. })));
    assert!(has(|step| matches!(step, Step::Repeat { .. })));
    assert!(has(|step| matches!(step, Step::Kill(Target::Primary))));
    assert!(has(|step| matches!(step, Step::Restart)));
}

#[test]
fn the_vote_that_decides_is_cast_last() {
    let scenario = Scenario::load(None).unwrap();
    let grain = scenario.proposals.iter().find(|proposal| proposal.name == "grain").unwrap();
    assert_eq!(grain.votes.first(), Some(&(3, Choice::Against)));
    assert_eq!(grain.votes.last(), Some(&(2, Choice::For)));
    let advice = scenario.proposals.iter().find(|proposal| proposal.name == "advice").unwrap();
    assert_eq!(advice.votes.last(), Some(&(2, Choice::Against)));
}

#[test]
fn a_slip_of_the_pen_is_named_with_its_line() {
    let error = treasury_with("burst = 200", "brust = 200").unwrap_err();
    assert!(error.contains("brust") && error.contains("line"), "{error}");
    refused("per_day = \"30 ether\"", "per_day = \"much\"", "per_day");
    refused("per_day = \"30 ether\"", "per_day = \"20 ether\"", "above per_day");
    refused("action = \"repeat\"", "action = \"repaet\"", "repaet");
}

#[test]
fn unknown_and_doubled_names_are_refused_with_those_that_there_are() {
    refused("proposer = \"Dogwood Bank\"", "proposer = \"Elm\"", "step 1: there is no organisation \"Elm\"");
    refused("to = \"Summit Advisors\"", "to = \"Nobody\"", "no payee \"Nobody\"");
    refused("name = \"Birch Foods\"", "name = \"Alder Mills\"", "\"Alder Mills\" is there twice");
    refused(
        "proposal = \"grain\"",
        "proposal = \"retreat\"",
        "step 2: there is a proposal \"retreat\" already",
    );
    refused("for = [\"Dogwood Bank\"]", "for = [\"Dogwood Bank\", \"Dogwood Bank\"]", "votes twice");
}

#[test]
fn an_expectation_that_the_votes_cannot_meet_is_refused() {
    refused("expect = \"expired\"", "expect = \"approved\"", "the votes leave it open");
    refused("expect = \"rejected\"", "expect = \"approved\"", "the votes make it rejected");
    refused("expect = \"approved\"", "expect = \"expired\"", "the votes make it approved");
    let late = "against = [\"Alder Mills\", \"Cedar Freight\", \"Dogwood Bank\"]";
    refused(
        "against = [\"Alder Mills\", \"Cedar Freight\"]",
        late,
        "1 of its votes come after it is decided",
    );
}

#[test]
fn policies_amounts_and_funds_must_add_up() {
    refused("threshold = 3", "threshold = 2", "not above half of the total weight 4");
    refused("threshold = 3", "threshold = 5", "above the total");
    refused("voting_period_s = 8", "voting_period_s = 0", "voting_period_s 0");
    refused("amount = \"12.5 ether\"", "amount = \"12.5\"", "not an amount");
    refused("funding = \"40 ether\"", "funding = \"14 ether\"", "does not cover the payments of 14.5 ether");
    refused("burst = 200", "burst = 0", "burst: 0");
}

#[test]
fn steps_must_make_sense_in_their_order() {
    refused("action = \"restart\"", "action = \"kill\"\nnode = \"primary\"", "a node is down already");
    refused("action = \"kill\"\nnode = \"primary\"", "action = \"restart\"", "no node is down");
    refused(
        "proposal = \"grain\"\nvoter",
        "proposal = \"crane\"\nvoter",
        "no earlier step makes a proposal \"crane\"",
    );
    refused("signed_by = \"Dogwood Bank\"", "signed_by = \"Alder Mills\"", "no forgery");
    let error = Scenario::parse(&TREASURY.replace("execute = true", "execute = false")).unwrap_err();
    assert!(error.contains("no payment is executed by an anchored proof"), "{error}");
}
