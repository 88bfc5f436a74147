/* Two replicas, one store, one session: the protocol of replicas.md, for the model checker spin.
 *
 * `cargo xtask model` checks every order of events. It also takes each rule out (WITHOUT_...), and
 * checks that the assertion which rests on the rule fails then. Time is in units of 10 seconds; ages stop to grow where
 * nothing depends on them any more, so that time has no end.
 *
 * The browser's cookie holds refresh token 0, whose access token has expired. WorkOS exchanges it for token 1, whose
 * access token does not expire. Every request is for a page. */

#define REPLAY      3   /* WorkOS answers an exchange alike for 30 s */
#define ATTEMPTS    2   /* a process asks until 25 s after its first attempt */
#define WAITED_FOR  1   /* an exchange younger than 10 s is waited for */
#define KEPT        6   /* the store keeps marks and outcomes for 60 s */
#define REMEMBERED  6   /* WorkOS is not asked about a refused token for 60 s */
#define INCIDENT_S  2   /* for so long WorkOS refuses what it should not */

mtype = { nothing, mark, renewed, refused };  /* what the store says of the exchange */
mtype = { old, new, none };                   /* the browser's cookie: token 0, token 1, deleted */

/* WorkOS */
bool rotated = false;      /* token 0 was exchanged */
byte rotated_ago;
bool revoked = false;      /* the session was ended here */
bool incident = false;     /* once, it refuses what it should not */
byte incident_ago;

/* The store */
bool up = true;
mtype entry = nothing;
bit written_by;
byte written_ago;
bool notice = false;       /* the sign-out is on the list */

/* The browser */
mtype cookie = old;
bool signed_out = false;
byte signed_out_ago;

/* What a process remembers; one that dies forgets it. */
typedef Memory {
  bool successor;          /* token 1, for requests that still bring token 0 */
  byte refusals;           /* how often token 0 was refused */
  byte refused_ago;
  bool refusal_delayed;    /* a refusal was delayed once */
  bool ended;              /* the session is known to have ended */
  bool telling;            /* it publishes a sign-out */
  bool exchanging;
  byte began_ago;
}
Memory memory[2];

/* What the assertions speak of */
bool asked[2];             /* by whom WorkOS was asked to exchange token 0 */
bool slow = false;         /* an exchange took longer than others wait for it */
bool died = false;         /* a process died */
bool failed = false;       /* the store was away, or lost what it knew */
bool dropped = false;      /* a response with the new cookie did not reach the browser */
bool given_up = false;     /* WorkOS's answers were lost until it was too late to ask again */
bool untold = false;       /* a process died, or the store was away, when a sign-out was to be published */
bool unheard = false;      /* time passed while the store was away and a process had not heard of the sign-out */

#define IS_KEPT (up && entry != nothing && written_ago < KEPT)
#define IN_INCIDENT (incident && incident_ago < INCIDENT_S)
#define ANSWERS (!revoked && !IN_INCIDENT && (!rotated || rotated_ago <= REPLAY))

/* The limits that faults.md names. Where none of them is met, nobody is signed out who has not signed out. */
#define EXCUSED (signed_out || given_up || ((dropped || died || failed) && rotated_ago >= REPLAY))

inline rotate() {
  if
  :: !rotated -> rotated = true; rotated_ago = 0
  :: else
  fi
}

/* Somebody is admitted by the session: not later than 5 s after its end. */
inline admit() {
  assert(!signed_out || untold || unheard || signed_out_ago <= 1)
}

inline respond_with_new_cookie() {
  if
#ifndef WITHOUT_CUT_OFFS_OF_RENEWED
  :: memory[me].ended -> skip
  :: !memory[me].ended ->
#else
  :: true ->
#endif
     admit();
     if
     :: cookie != none && !signed_out -> cookie = new
     :: dropped = true
     fi
  fi
}

/* The answer to a page: signing in, with the cookie kept or, after two refusals, deleted. */
inline respond_to_refusal() {
  assert(EXCUSED || incident);
  if
  :: memory[me].refusals >= 2 -> assert(EXCUSED); cookie = none
  :: else
  fi
}

inline record_refusal() {
  memory[me].refusals++;
#ifdef WITHOUT_SECOND_REFUSAL
  memory[me].refusals = 2;
#endif
  memory[me].refused_ago = 0;
  respond_to_refusal()
}

inline publish(what) {
  if
  :: up -> entry = what; written_by = me; written_ago = 0
  :: else
  fi
}

/* A process dies, and another one takes its place. */
inline die() {
  died = true;
  memory[me].successor = false; memory[me].refusals = 0; memory[me].refused_ago = 0; memory[me].refusal_delayed = false; memory[me].exchanging = false;
  memory[me].ended = notice
}

/* A refusal in the store is the second one where it was given a minute after the first. */
#define COUNTS (memory[me].refusals == 0 || memory[me].refused_ago - written_ago >= REMEMBERED)

proctype Replica(bit me) {
  bool others;
  bool counts;             /* what was seen is an outcome of this token's exchange that counts here */
  bool missed;             /* an answer of WorkOS did not arrive */
  mtype seen;

idle:
  others = false; counts = false; missed = false; seen = nothing;
  if
  /* Token 0 comes: from the browser, or from somebody who has copied it. */
  :: atomic { (cookie == old || signed_out) && !memory[me].ended && !memory[me].successor &&
       (memory[me].refusals == 0 ||
        memory[me].refusals == 1 && memory[me].refused_ago >= REMEMBERED) ->
       memory[me].exchanging = true; memory[me].began_ago = 0 };
     goto claim
  :: atomic { (cookie == old || signed_out) && memory[me].successor ->
       respond_with_new_cookie() };
     goto idle
  /* Token 1 comes. */
  :: atomic { signed_out && rotated && !memory[me].ended -> admit() };
     goto idle
  :: atomic { cookie != none && !signed_out ->
       signed_out = true; signed_out_ago = 0; cookie = none; memory[me].ended = true; memory[me].telling = true };
     goto tell
#ifdef DEATHS
  :: atomic { !died -> die() };
     goto idle
#endif
  fi;

tell:
#ifndef WITHOUT_PUBLISHED_SIGN_OUT
  if
  :: up -> notice = true
  :: !up -> untold = true
#ifdef DEATHS
  /* The browser follows the answer to WorkOS, if it has come. */
  :: atomic { !died -> untold = true; memory[me].telling = false; die();
       if :: revoked = true :: skip fi };
     goto idle
#endif
  fi;
#endif
  atomic { revoked = true; memory[me].telling = false };
  goto idle;

claim:
  atomic {
    if
    :: IS_KEPT && (entry == renewed || entry == refused) -> seen = entry; counts = COUNTS
#ifndef WITHOUT_MARK
    :: IS_KEPT && entry == mark && written_by != me -> others = true
#else
    :: IS_KEPT && entry == mark && written_by != me
#endif
    :: IS_KEPT && entry == mark && written_by == me
    :: !IS_KEPT -> publish(mark)
    fi
  };
  if
  /* Waits for the outcome, but not for long. */
  :: atomic { others && IS_KEPT && (entry == renewed || entry == refused) -> seen = entry; counts = COUNTS }
  :: atomic { others && (slow || died || failed || memory[me].began_ago > 0 || written_ago >= WAITED_FOR) }
  :: !others
  fi;
  if
  :: seen == renewed -> goto take
#ifndef WITHOUT_MINUTE_BETWEEN_REFUSALS
  :: seen == refused && counts -> goto take
  :: seen == refused && !counts
#else
  :: seen == refused -> goto take
#endif
  :: seen == nothing
  fi;

attempt:
  if
  :: atomic { ANSWERS ->
       assert(!asked[1 - me] || slow || died || failed || incident);
       asked[me] = true; rotate();
       if
       :: goto record
#ifdef DEATHS
       :: !died -> die(); goto idle
#endif
       :: missed = true                                  /* the answer is lost */
       fi };
     if
     :: atomic { memory[me].began_ago < ATTEMPTS && slow } -> goto attempt
     :: atomic { memory[me].began_ago >= ATTEMPTS -> given_up = true; memory[me].exchanging = false }; goto idle
     fi
  /* What was lost is not asked for again before it is too late. */
  :: atomic { !ANSWERS -> given_up = given_up || (missed && IN_INCIDENT) }; goto look
  :: atomic { memory[me].began_ago > ATTEMPTS -> given_up = true; memory[me].exchanging = false }; goto idle
  fi;

record:
  atomic {
    if
    :: !memory[me].ended -> memory[me].successor = true; respond_with_new_cookie()
#ifdef WITHOUT_CUT_OFFS_OF_RENEWED
    :: memory[me].ended -> respond_with_new_cookie()
#else
    :: memory[me].ended
#endif
    fi
  };
  atomic { publish(renewed); memory[me].exchanging = false };
  goto idle;

look:
  atomic {
    seen = nothing;
    if
#ifndef WITHOUT_LOOK
    :: IS_KEPT && entry == renewed -> seen = renewed
    :: IS_KEPT && entry == mark && written_by != me -> others = true
    :: !(IS_KEPT && entry == renewed) && !(IS_KEPT && entry == mark && written_by != me)
#else
    :: others = false
#endif
    fi
  };
  atomic {
    if
    :: seen == renewed -> goto take
    :: seen == nothing && others && !memory[me].refusal_delayed -> memory[me].refusal_delayed = true
    :: seen == nothing && others && memory[me].refusal_delayed -> record_refusal()
    :: seen == nothing && !others -> record_refusal(); publish(refused)
    fi;
    memory[me].exchanging = false
  };
  goto idle;

take:
  atomic {
    if
    :: seen == renewed && !memory[me].ended -> memory[me].successor = true; respond_with_new_cookie()
    :: seen == renewed && memory[me].ended
    :: seen == refused -> record_refusal()
    fi;
    memory[me].exchanging = false
  };
  goto idle;
}

/* Whoever exchanges is done in time, and hears of a sign-out while the store serves. */
#define IN_TIME(i) (!memory[i].telling && (!memory[i].exchanging || memory[i].began_ago <= ATTEMPTS))
#define HAS_HEARD(i) (memory[i].ended || !notice || !up)

inline age(since, most) {
  if
  :: since < most -> since++
  :: else
  fi
}

inline age_of_memory(i) {
  if
  :: memory[i].exchanging -> age(memory[i].began_ago, ATTEMPTS + 1)
  :: else -> memory[i].began_ago = 0
  fi;
  if
  :: memory[i].refusals == 1 -> age(memory[i].refused_ago, REMEMBERED + 1)
  :: else -> memory[i].refused_ago = 0
  fi
}

proctype Clock() {
  do
  :: atomic { IN_TIME(0) && IN_TIME(1) && HAS_HEARD(0) && HAS_HEARD(1) ->
       if :: incident -> age(incident_ago, INCIDENT_S) :: else fi;
       if :: rotated -> age(rotated_ago, REPLAY + 1) :: else fi;
       if :: signed_out -> age(signed_out_ago, 2) :: else fi;
       if :: entry != nothing -> age(written_ago, KEPT) :: else fi;
       age_of_memory(0); age_of_memory(1);
       if
       :: written_ago == KEPT -> entry = nothing; written_by = 0; written_ago = 0
       :: else
       fi;
       unheard = unheard || (notice && !(memory[0].ended && memory[1].ended));
       slow = slow || memory[0].exchanging || memory[1].exchanging }
  od
}

proctype Store() {
  do
  :: atomic { notice && up && !memory[0].ended -> memory[0].ended = true }
  :: atomic { notice && up && !memory[1].ended -> memory[1].ended = true }
#ifdef FAILURES
  :: atomic { up && !failed -> up = false; failed = true }
  :: atomic { !up -> up = true; entry = nothing }
#endif
#ifdef INCIDENT
  :: atomic { !incident && !signed_out -> incident = true; incident_ago = 0 }
#endif
  od
}

init {
  atomic { run Replica(0); run Replica(1); run Clock(); run Store() }
}
