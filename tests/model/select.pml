/*
 * Selects over channels between cores (core/select.c, core/shared_queue.c): each is decided once,
 * by whichever thread is first, under its own lock; two that meet are locked in order; the frame is
 * left when the select has been told and its entries are out of their queues.
 *
 * There are two channels. x is a rendezvous, y one as well or, with RING, a ring of one place, of
 * which only that it may be emptied by others at any moment is modelled (shared_channel.pml has the
 * rest). The first select puts into x or takes from y; the second the other way round, beginning with
 * y; with THIRD there is one that puts into x or takes from x, and must not meet itself.
 *
 * Shown: every select has one effect or none, what was put at a rendezvous was taken there, nobody
 * touches a frame that is left, and at the end none waits for what it could have.
 *
 *   -DRING       y is a ring; both take from it, while somebody puts in and somebody else takes out
 *   -DTHIRD      a third select, with both ends of x
 *   -DCANCEL     the first select may be cancelled when it waits
 *   -DNO_ORDER   two are locked as they come               } each has to be noticed
 *   -DNO_SELF    a select may meet itself                  }
 *   -DNO_CLAIM   one that is decided is decided again      }
 *   -DNO_LOCK    nothing is held while the ring is tried   }
 *   -DNO_TOLD    the frame is left before it has been told }
 *   -DNO_DELIST  or with entries in their queues           }
 */
#ifdef THIRD
#define SELECTS 3
#else
#define SELECTS 2
#endif

#define PUT_X 0 /* a case is its place */
#define TAKE_X 1
#define PUT_Y 2
#define TAKE_Y 3
#define CASES 4
#define NOBODY 9
#define AT(s, k) ((s) * CASES + (k))

mtype = { awake, asleep, told };

bool lock[2];
bool wants[SELECTS * CASES];
bool queued[SELECTS * CASES];
byte items; /* in the ring */
byte brought;  /* what was put into it and not taken from it by a select */

bool held[SELECTS];
byte winner[SELECTS]; /* 0: undecided, else the case + 1 */
mtype state[SELECTS];
bool mail[SELECTS];
bool gone[SELECTS];
byte effects[SELECTS];
byte puts[2];
byte takes[2];

inline hold(s)
{
    assert(!gone[s]);
#ifndef NO_LOCK
    atomic { !held[s] -> held[s] = true }
#endif
}

inline let(s)
{
    assert(!gone[s]);
    held[s] = false
}

#ifdef NO_CLAIM
#define OPEN(s) true
#else
#define OPEN(s) (winner[s] == 0)
#endif

/* Of one that is held: decided, dequeued, to be told. */
inline grant(s, k)
{
    queued[AT(s, k)] = false;
    winner[s] = (k) + 1;
    d_step {
        effects[s]++;
        if
        :: (k) % 2 == 0 -> puts[(k) / 2]++
        :: else -> takes[(k) / 2]++
        fi
    };
    tell[s] = true
}

#ifdef NO_SELF
#define MAY_MEET true
#else
#define MAY_MEET (one != two)
#endif

/* The first pair that may meet: one = SELECTS, if there is none. */
inline find_pair(c)
{
    d_step {
        one = 0;
        two = 0;
        do
        :: one < SELECTS && queued[AT(one, 2 * (c))] && queued[AT(two, 2 * (c) + 1)] && MAY_MEET ->
            break
        :: one < SELECTS &&
           !(queued[AT(one, 2 * (c))] && queued[AT(two, 2 * (c) + 1)] && MAY_MEET) ->
            two++;
            if
            :: two == SELECTS -> two = 0; one++
            :: else
            fi
        :: one == SELECTS -> break
        od;
#ifndef NO_ORDER
        low = (one < two -> one : two);
        high = (one < two -> two : one)
#else
        low = one;
        high = two
#endif
    }
}

inline meet(c)
{
    do
    :: find_pair(c);
        if
        :: one == SELECTS -> break
        :: else
        fi;
        hold(low);
        hold(high);
        if
        :: OPEN(one) && OPEN(two) -> grant(one, 2 * (c)); grant(two, 2 * (c) + 1)
        :: else ->
            if
            :: !OPEN(one) -> queued[AT(one, 2 * (c))] = false
            :: else
            fi;
            if
            :: !OPEN(two) -> queued[AT(two, 2 * (c) + 1)] = false
            :: else
            fi
        fi;
        let(high);
        let(low)
    od
}

inline pop(ok)
{
    atomic {
        ok = items > 0;
        items = items - (ok -> 1 : 0)
    }
}

/* Those who want to take from the ring. */
inline serve()
{
    do
    :: d_step {
            one = 0;
            do
            :: one < SELECTS && !queued[AT(one, TAKE_Y)] -> one++
            :: else -> break
            od
        };
        if
        :: one == SELECTS -> break
        :: else
        fi;
        hold(one);
        if
        :: !OPEN(one) -> queued[AT(one, TAKE_Y)] = false; let(one)
        :: else ->
            pop(ok);
            if
            :: ok -> grant(one, TAKE_Y); let(one)
            :: else -> let(one); break
            fi
        fi
    od
}

inline settle(c)
{
#ifdef RING
    if
    :: c == 1 -> serve()
    :: else -> meet(c)
    fi
#else
    meet(c)
#endif
}

inline take_lock(c)
{
    atomic { !lock[c] -> lock[c] = true }
}

inline tell_all()
{
    one = 0;
    do
    :: one < SELECTS && tell[one] ->
        assert(!gone[one]);
        atomic {
            mail[one] = (state[one] == asleep);
            state[one] = told
        };
        tell[one] = false;
        one++
    :: one < SELECTS && !tell[one] -> one++
    :: else -> break
    od
}

#ifdef CANCEL
#define MAY_CANCEL (me == 0)
#else
#define MAY_CANCEL false
#endif

proctype chooser(byte me)
{
    bool tell[SELECTS];
    bool ok;
    byte one, two, low, high, i, k;
    for (i : 0 .. CASES - 1) {
        k = (me == 1 -> CASES - 1 - i : i);
        if
        :: wants[AT(me, k)] && state[me] != told ->
            take_lock(k / 2);
            queued[AT(me, k)] = true;
            settle(k / 2);
            lock[k / 2] = false;
            tell_all()
        :: else
        fi
    };
    atomic {
        ok = (state[me] == awake);
        if
        :: ok -> state[me] = asleep
        :: else
        fi
    };
    if
    :: ok ->
        if
#ifdef NO_TOLD
        :: winner[me] != 0
#else
        :: mail[me]
#endif
        :: MAY_CANCEL ->
            hold(me);
            if
            :: winner[me] == 0 -> winner[me] = NOBODY; let(me)
            :: else -> let(me); mail[me]
            fi
        fi
    :: else
    fi;
#ifndef NO_DELIST
    for (k : 0 .. CASES - 1) {
        if
        :: wants[AT(me, k)] ->
            take_lock(k / 2);
            queued[AT(me, k)] = false;
            lock[k / 2] = false
        :: else
        fi
    };
#endif
    gone[me] = true
}

#ifdef RING
/* Without a lock, then looking for those who wait. */
proctype putter()
{
    bool tell[SELECTS];
    bool ok;
    byte one, two, low, high;
    items++;
    if
    :: queued[AT(0, TAKE_Y)] || queued[AT(1, TAKE_Y)] ->
        take_lock(1);
        serve();
        lock[1] = false;
        tell_all()
    :: else
    fi
}

proctype taker()
{
    bool ok;
    pop(ok);
    brought = brought - (ok -> 1 : 0)
}
#endif

#define WAITS(s, k) (!gone[s] && winner[s] == 0 && wants[AT(s, k)])

init
{
    byte i, j;
    atomic {
        for (i : 0 .. SELECTS - 1) {
            state[i] = awake
        }
        wants[AT(0, PUT_X)] = true;
        wants[AT(0, TAKE_Y)] = true;
        wants[AT(1, TAKE_X)] = true;
#ifdef RING
        wants[AT(1, TAKE_Y)] = true;
        brought = 1;
        run putter();
        run taker();
#else
        wants[AT(1, PUT_Y)] = true;
#endif
#ifdef THIRD
        wants[AT(2, PUT_X)] = true;
        wants[AT(2, TAKE_X)] = true;
#endif
        for (i : 0 .. SELECTS - 1) {
            run chooser(i)
        }
    }
    timeout; /* all have ended, or wait for good */
    d_step {
        assert(!lock[0] && !lock[1]);
        assert(puts[0] == takes[0]);
#ifdef RING
        assert(items + takes[1] == brought);
#else
        assert(puts[1] == takes[1]);
#endif
        for (i : 0 .. SELECTS - 1) {
            assert(!held[i]);
            assert(effects[i] == ((winner[i] == 0 || winner[i] == NOBODY) -> 0 : 1));
            assert(gone[i] == (winner[i] != 0));
            assert(!(WAITS(i, TAKE_Y) && items > 0));
            for (j : 0 .. SELECTS - 1) {
                assert(i == j || !(WAITS(i, PUT_X) && WAITS(j, TAKE_X)));
                assert(i == j || !(WAITS(i, PUT_Y) && WAITS(j, TAKE_Y)))
            }
        }
    }
}
