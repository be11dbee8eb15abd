/*
 * The channel between cores of core/shared.c: the ring's lock-free path, the queues of those who
 * wait, the wake-up, a cancellation in the middle of it. Positions only count up here (an item is
 * used once); a mail or a futex is a flag.
 *
 * Shown: what was sent is received once or still in the ring, what was cancelled or refused is
 * not; when nothing can happen any more nobody waits for what is there; and all are told of the
 * close.
 *
 *   -DSENDERS=n -DRECEIVERS=n -DCAPACITY=n
 *   -DCANCEL_SENDER, -DCANCEL_RECEIVER   the first one of them may be cancelled when it waits
 *   -DCLOSE                              somebody closes
 *   -DNO_LOOK    who waits does not look at the ring again         } each has to be noticed
 *   -DLATE       it looks before it is counted                     }
 *   -DNO_SETTLE  one that changed the ring does not look for them  }
 *   -DNO_STATE   told only if seen asleep, without an exchange     }
 *   -DONE        settling serves one at most                       }
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#define ALL (SENDERS + RECEIVERS)

#define FREE(p) (2 * ((p) / CAPACITY))
#define FULL(p) (FREE(p) + 1)
#define TURN(p) turn[(p) % CAPACITY]

byte turn[CAPACITY];
byte slot[CAPACITY];
byte head;
byte tail;
bool closed; /* a bit of tail */

bool lock;
byte waiting_senders;
byte waiting_receivers;
chan senders = [SENDERS] of { byte };
chan receivers = [RECEIVERS] of { byte };

mtype = { awake, asleep, granted };
mtype = { none, done, pipe, canceled };
mtype state[ALL];
mtype result[ALL];
byte item[ALL];
bool mail[ALL];
bool queued[ALL];
byte taken[SENDERS + 1];

inline take_lock()
{
    atomic { !lock -> lock = true }
}

/* rc: done, pipe, or none when there is no room. */
inline push(what, rc, at)
{
    do
    :: atomic { at = tail; rc = (closed -> pipe : none) };
        if
        :: rc == pipe -> break
        :: else
        fi;
        if
        :: TURN(at) == FREE(at) ->
            if
            :: atomic { tail == at && !closed -> tail++ };
                slot[at % CAPACITY] = what;
                TURN(at) = FULL(at);
                rc = done;
                break
            :: else
            fi
        :: else ->
            if
            :: tail == at && !closed -> break
            :: else
            fi
        fi
    od
}

inline pop(into, rc, at)
{
    rc = none;
    do
    :: at = head;
        if
        :: TURN(at) == FULL(at) ->
            if
            :: atomic { head == at -> head++ };
                into = slot[at % CAPACITY];
                TURN(at) = FREE(at) + 2;
                rc = done;
                break
            :: else
            fi
        :: else ->
            if
            :: head == at -> break
            :: else
            fi
        fi
    od
}

#define DRAINED (closed && head == tail)

/* With the lock. Those who are served go to `told`. */
inline settle_locked()
{
    more = true;
    do
    :: more ->
        more = false;
        if
        :: len(senders) > 0 ->
            senders ? <who>;
            push(item[who], rc, at);
            if
            :: rc == done ->
                atomic { senders ? who; queued[who] = false; waiting_senders-- };
                result[who] = done;
                told ! who;
                more = true
            :: else
            fi
        :: else
        fi;
        if
        :: len(receivers) > 0 ->
            receivers ? <who>;
            pop(item[who], rc, at);
            if
            :: rc == done ->
                atomic { receivers ? who; queued[who] = false; waiting_receivers-- };
                result[who] = done;
                told ! who;
                more = true
            :: else
            fi
        :: else
        fi;
#ifdef ONE
        more = false
#endif
    :: else -> break
    od;
    do
    :: closed && len(senders) > 0 ->
        atomic { senders ? who; queued[who] = false; waiting_senders-- };
        result[who] = pipe;
        told ! who
    :: else -> break
    od;
    do
    :: DRAINED && len(receivers) > 0 ->
        atomic { receivers ? who; queued[who] = false; waiting_receivers-- };
        result[who] = pipe;
        told ! who
    :: else -> break
    od
}

inline tell_all()
{
    do
    :: told ? [who] ->
        told ? who;
#ifdef NO_STATE
        if
        :: state[who] == asleep -> mail[who] = true
        :: else
        fi;
        state[who] = granted
#else
        atomic {
            if
            :: state[who] == asleep -> mail[who] = true
            :: else
            fi;
            state[who] = granted
        }
#endif
    :: else -> break
    od;
    who = 0
}

inline settle()
{
#ifdef NO_SETTLE
    skip
#else
    take_lock();
    settle_locked();
    lock = false;
    tell_all()
#endif
}

/* In its queue and counted, then looking once more; then asleep. */
inline wait(queue, count, may_cancel)
{
    take_lock();
#ifdef LATE
    settle_locked();
#endif
    atomic { queue ! me; queued[me] = true; count++ };
#ifndef LATE
#ifndef NO_LOOK
    settle_locked();
#endif
#endif
    more = queued[me];
    lock = false;
    tell_all();
    if
    :: more ->
        atomic {
            more = (state[me] == awake);
            if
            :: more -> state[me] = asleep
            :: else
            fi
        };
        if
        :: more ->
            if
            :: mail[me]
            :: may_cancel ->
                take_lock();
                if
                :: queued[me] ->
                    atomic { queue ?? eval(me); queued[me] = false; count-- };
                    result[me] = canceled;
                    lock = false
                :: else -> /* granted: the mail is on its way */
                    lock = false;
                    mail[me]
                fi
            fi
        :: else
        fi
    :: else
    fi
}

#ifdef CANCEL_SENDER
#define SENDER_MAY_CANCEL (me == 0)
#else
#define SENDER_MAY_CANCEL false
#endif
#ifdef CANCEL_RECEIVER
#define RECEIVER_MAY_CANCEL (me == SENDERS)
#else
#define RECEIVER_MAY_CANCEL false
#endif

proctype sender(byte me)
{
    chan told = [ALL] of { byte };
    mtype rc;
    byte at, who;
    bool more;
    item[me] = me + 1;
    rc = none;
    if
    :: waiting_senders == 0 -> push(item[me], rc, at)
    :: else
    fi;
    if
    :: rc == none -> wait(senders, waiting_senders, SENDER_MAY_CANCEL)
    :: else ->
        result[me] = rc;
        if
        :: rc == done && waiting_receivers > 0 -> settle()
        :: else
        fi
    fi
}

proctype receiver(byte me)
{
    chan told = [ALL] of { byte };
    mtype rc;
    byte at, who;
    bool more;
    rc = none;
    if
    :: waiting_receivers == 0 -> pop(item[me], rc, at)
    :: else
    fi;
    if
    :: rc == none && DRAINED -> result[me] = pipe
    :: rc == none && !DRAINED -> wait(receivers, waiting_receivers, RECEIVER_MAY_CANCEL)
    :: else ->
        result[me] = done;
        if
        :: waiting_senders > 0 -> settle()
        :: else
        fi
    fi;
    if
    :: result[me] == done -> taken[item[me]]++
    :: else
    fi
}

#ifdef CLOSE
proctype closer()
{
    chan told = [ALL] of { byte };
    mtype rc;
    byte at, who;
    bool more;
    closed = true;
    settle()
}
#endif

init
{
    byte i, sent, got;
    atomic {
        for (i : 0 .. ALL - 1) {
            state[i] = awake;
            result[i] = none
        }
        for (i : 0 .. SENDERS - 1) {
            run sender(i)
        }
        for (i : SENDERS .. ALL - 1) {
            run receiver(i)
        }
#ifdef CLOSE
        run closer()
#endif
    }
    timeout; /* all have ended, or wait for good */
    d_step {
        assert(!lock);
        for (i : 0 .. SENDERS - 1) {
            assert(taken[i + 1] <= (result[i] == done -> 1 : 0));
            sent = sent + (result[i] == done -> 1 : 0);
            got = got + taken[i + 1];
            assert(result[i] != none || queued[i])
        }
        assert(sent == tail && got == head);
        assert(waiting_senders == 0 || (!closed && tail - head == CAPACITY));
        assert(waiting_receivers == 0 || (!closed && tail == head));
        for (i : SENDERS .. ALL - 1) {
            assert(result[i] != none || queued[i])
        }
    }
}
