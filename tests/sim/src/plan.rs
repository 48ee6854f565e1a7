//! What a seed decides before anything happens: who is in the group, what goes wrong, and how often.

use quorate_pbft::Config;

use crate::byzantine::ActorKind;
use crate::random::Random;

/// How the links behave while things go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Frames of a thousand that are lost.
    pub loss: u64,
    /// Frames of a thousand that come twice.
    pub repeat: u64,
    /// The least and the most milliseconds that a frame takes. Frames overtake each other.
    pub delay_ms: (u64, u64),
    /// Frames of a thousand that take up to thirty times as long.
    pub stragglers: u64,
}

impl Weather {
    /// A good local network.
    pub const CALM: Self = Self { loss: 0, repeat: 0, delay_ms: (1, 3), stragglers: 0 };
}

/// Something that the world does to the group now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// Power is lost at one node, which comes back later.
    Crash,
    /// One node's process is killed: nothing that it wrote is lost.
    Kill,
    /// Power is lost at all nodes at once.
    CrashAll,
    /// The group falls into two parts.
    Partition,
    /// Some links carry nothing, in one direction only.
    OneWay,
    /// One node hears nothing and nobody hears it.
    Isolate,
    /// One node takes long for everything.
    Slow,
    /// One node's clock jumps.
    ClockJump,
    /// One node's disk is full for a while.
    FullDisk,
}

/// A planned change of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The members as they are.
    Renew,
    /// One replica gets another key.
    RotateKey,
    /// A replica that never was in the group joins.
    Add,
    /// A replica leaves, if enough are left.
    Remove,
}

/// A node that loses what it stored, and with it what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The whole data directory.
    Everything,
    /// The write-ahead log alone.
    Log,
    /// A bit of the write-ahead log's end.
    Rot,
}

/// Everything that a seed decides beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many replicas the group starts with.
    pub replicas: usize,
    /// Agents that are no replicas; each issues commands as replicas' agents do.
    pub plain_agents: usize,
    /// The protocol's sizes and times.
    pub config: Config,
    /// The faulty replicas, by position, each with its behaviour. At most f.
    pub faulty: Vec<(usize, Faulty)>,
    /// How the links behave.
    pub weather: Weather,
    /// What goes wrong, drawn from this list.
    pub mishaps: Vec<Mishap>,
    /// The least and the most milliseconds between two mishaps.
    pub pause_ms: (u64, u64),
    /// How far clocks are apart, in milliseconds.
    pub skew_ms: u64,
    /// Changes of the members, one after another.
    pub changes: Vec<Change>,
    /// A replica that loses its memory, by position; it counts among the faulty.
    pub loss: Option<(usize, Loss)>,
    /// How long things go wrong, in milliseconds.
    pub turmoil_ms: u64,
    /// Commands that each agent issues.
    pub commands: u64,
    /// How long a proposal is open, in seconds.
    pub voting_period_s: u64,
    /// The most milliseconds that a sync of the log takes.
    pub sync_ms: u64,
    /// Whether frames that rest on nothing in the log leave while the log is still being synced.
    pub hasty: bool,
    /// How the links behave once everything is mended.
    pub afterwards: Weather,
    /// Of a hundred commands with a receipt, how many are sent once more, later and to any node.
    pub repeats: u64,
    /// Whether an agent signs far more commands at once than a replica lets wait.
    pub floods: bool,
    /// How many messages the contract's inbox gets.
    pub inbox: u64,
}

/// How a replica is faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faulty {
    /// It behaves in one way.
    Actor(ActorKind),
    /// Its key runs twice.
    Twins,
}

impl Faulty {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Actor(kind) => kind.name(),
            Self::Twins => "twins",
        }
    }
}

const ALL_MISHAPS: [Mishap; 9] = [
    Mishap::Crash,
    Mishap::Kill,
    Mishap::CrashAll,
    Mishap::Partition,
    Mishap::OneWay,
    Mishap::Isolate,
    Mishap::Slow,
    Mishap::ClockJump,
    Mishap::FullDisk,
];

impl Plan {
    /// The plan of `seed`.
    pub fn of(seed: u64) -> Self {
        let random = &mut Random::part(seed, "plan");
        let replicas = random.pick(&[4, 4, 4, 4, 4, 5, 6, 7, 7, 10]);
        let max_faulty = (replicas - 1) / 3;
        let loss = random.percent(20).then(|| (random.index(replicas), random_loss(random)));
        let budget = max_faulty - usize::from(loss.is_some());
        let faulty = faulty(random, replicas, budget, loss.map(|(place, _)| place));
        let changes = match random.percent(30) || loss.is_some() {
            true => (0..random.between(1, 2)).map(|_| random_change(random)).collect(),
            false => Vec::new(),
        };
        let mishaps = ALL_MISHAPS.into_iter().filter(|_| random.percent(45)).collect();
        let plan = Self {
            seed,
            replicas,
            plain_agents: random.index(3),
            config: config(random),
            faulty,
            weather: weather(random),
            mishaps,
            pause_ms: (200, random.pick(&[800, 2_000, 4_000])),
            skew_ms: random.pick(&[0, 20, 300, 1_500]),
            changes,
            loss,
            turmoil_ms: random.between(3_000, 9_000),
            commands: random.pick(&[6, 12, 24]),
            voting_period_s: random.pick(&[3, 600]),
            sync_ms: random.pick(&[0, 1, 4, 15]),
            hasty: false,
            afterwards: Weather::CALM,
            repeats: 0,
            floods: false,
            inbox: 0,
        }
        .with_rarities()
        .with_inbox();
        assert_eq!(plan.config.problems(), Vec::<String>::new(), "a plan has a sound configuration");
        plan
    }

    /// What only some seeds have. Drawn apart, so that it changes nothing of the others.
    fn with_rarities(mut self) -> Self {
        let random = &mut Random::part(self.seed, "rarities");
        let impostor = random.percent(12);
        if let Some((_, faulty)) = self.faulty.first_mut().filter(|_| impostor) {
            *faulty = Faulty::Actor(ActorKind::Impostor);
        }
        if random.percent(15) {
            self.hasty = true;
            self.sync_ms = random.pick(&[15, 40]);
            self.pause_ms = (50, 400);
            self.mishaps.push(Mishap::Crash);
        }
        // Slower than the time-outs are at first, and no slower ever after: they must grow up to it.
        if random.percent(4) {
            self.config.view_timeout_ms = 200;
            self.afterwards = Weather { delay_ms: (160, 220), ..Weather::CALM };
        }
        self.repeats = random.pick(&[0, 0, 0, 0, 30]);
        self.floods = random.percent(4);
        // Whoever joins has to fetch the state, and a liar answers.
        let lied_to = random.percent(4);
        if let Some((_, faulty)) = self.faulty.first_mut().filter(|_| lied_to) {
            *faulty = Faulty::Actor(ActorKind::CorruptTransfer);
            self.changes.push(Change::Add);
        }
        self
    }

    /// What the contract's inbox gets. Drawn apart, as the rarities are.
    fn with_inbox(mut self) -> Self {
        let random = &mut Random::part(self.seed, "inbox");
        if random.percent(30) {
            self.inbox = random.pick(&[1, 4, 12]);
            let invents = random.percent(40);
            for (_, faulty) in self.faulty.iter_mut().filter(|_| invents) {
                *faulty = Faulty::Actor(ActorKind::Inventor);
            }
        }
        self
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        let faulty: Vec<String> =
            self.faulty.iter().map(|(place, faulty)| format!("r{place} {}", faulty.name())).collect();
        let loss = self.loss.map_or(String::new(), |(place, loss)| format!(", r{place} loses {loss:?}"));
        let inbox = match self.inbox {
            0 => String::new(),
            count => format!(", {count} in the inbox"),
        };
        format!(
            "{} replicas, faulty: [{}]{loss}, mishaps {:?}, changes {:?}, {:?}{inbox}",
            self.replicas,
            faulty.join(", "),
            self.mishaps,
            self.changes,
            self.weather,
        )
    }
}

fn faulty(random: &mut Random, replicas: usize, budget: usize, taken: Option<usize>) -> Vec<(usize, Faulty)> {
    let mut places: Vec<usize> = (0..replicas).filter(|place| Some(*place) != taken).collect();
    random.shuffle(&mut places);
    // The others are drawn with the rarities.
    let kind = |random: &mut Random| match random.index(1 + ActorKind::COMMON) {
        0 => Faulty::Twins,
        at => Faulty::Actor(ActorKind::ALL[at - 1]),
    };
    places.into_iter().take(budget).map(|place| (place, kind(random))).collect()
}

fn random_loss(random: &mut Random) -> Loss {
    random.pick(&[Loss::Everything, Loss::Everything, Loss::Log, Loss::Rot])
}

fn random_change(random: &mut Random) -> Change {
    random.pick(&[Change::Renew, Change::RotateKey, Change::Add, Change::Remove])
}

fn config(random: &mut Random) -> Config {
    let checkpoint_interval = random.pick(&[4, 8, 16]);
    Config {
        checkpoint_interval,
        window: checkpoint_interval * random.pick(&[2, 2, 4]),
        pipeline: random.pick(&[1, 2, 4]),
        max_batch_commands: random.pick(&[1, 2, 4, 16]),
        view_timeout_ms: random.pick(&[200, 400, 800]),
        max_clock_drift_ms: 5_000,
        checkpoint_delay_ms: random.pick(&[100, 500]),
        status_interval_ms: random.pick(&[50, 100, 200]),
        ..Config::default()
    }
}

fn weather(random: &mut Random) -> Weather {
    match random.index(5) {
        0 => Weather::CALM,
        1 => Weather { loss: 20, repeat: 10, delay_ms: (1, 10), stragglers: 5 },
        2 => Weather { loss: 100, repeat: 50, delay_ms: (1, 30), stragglers: 20 },
        3 => Weather { loss: 5, repeat: 200, delay_ms: (5, 60), stragglers: 50 },
        _ => Weather { loss: 250, repeat: 20, delay_ms: (1, 15), stragglers: 10 },
    }
}
