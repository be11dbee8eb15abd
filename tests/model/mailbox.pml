/*
 * The mailbox of core/mailbox.h with the detection of deadlocks on it: how a core announces its
 * sleep and looks again, how a poster wakes it, and how the last one to have nothing to do finds
 * out. A list of mail is a number here, the eventfd a flag.
 *
 * sleeping: 0 awake, 1 asleep, 2 asleep with nothing to wait for ("idle"). `busy` counts the cores
 * that are not idle and the threads outside that may still post; who takes it to 0 has found a
 * deadlock. Whoever is about to take the 2 away, a poster or the core itself, adds 1 before and not
 * after: else a core that is awake, and finds nothing to do or posts to another one, could
 * subtract what has not been added. A poster that found no 2 after all takes its 1 back; if that
 * was the last one it lets the core look once more.
 *
 * Shown: mail is delivered; no deadlock is reported while mail is under way or a holder remains or
 * a core works; a true one is reported.
 *
 *   -DTHREADS=n -DPOSTS=n -DIO=n   threads outside; how often a core posts, waits for something
 *   -DSPAWN                        a core may, once, start a thread that may post
 *   -DLATE, -DLATE_CORE            a poster, the core adds after the exchange  } each has to
 *   -DNO_LOOK, -DNO_ADD, -DNO_POKE, -DNO_RETRY            leave a step out     } be noticed
 */
#ifndef THREADS
#define THREADS 1
#endif
#ifndef POSTS
#define POSTS 1
#endif
#ifndef IO
#define IO 1
#endif
#define CORES 2

byte inbox[CORES]; /* mail, pokes among it */
byte due[CORES];   /* mail that is not a poke */
byte sleeping[CORES];
bool token[CORES]; /* what wakeup leaves in the backend */
bool works[CORES];
short busy = CORES;
short holders = THREADS; /* those who hold, as opposed to what is counted */
bool reported;
bool may_spawn = true;

inline exchange(box, was)
{
    atomic { was = sleeping[box]; sleeping[box] = 0 }
}

/* After the push. */
inline wake_up(to, old)
{
    if
    :: sleeping[to] == 0
    :: else ->
#ifdef LATE
        exchange(to, old);
        if
        :: old == 2 -> busy++
        :: else
        fi;
        if
        :: old != 0 -> token[to] = true
        :: else
        fi
#else
#ifndef NO_ADD
        busy++;
#endif
        exchange(to, old);
        if
        :: old != 0 -> token[to] = true
        :: else
        fi;
#ifndef NO_ADD
        if
        :: old != 2 ->
            atomic { busy--; old = (busy == 0) };
            if
#ifndef NO_RETRY
            :: old -> token[to] = true
#endif
            :: else
            fi
        :: else
        fi
#endif
#endif
    fi;
    old = 0
}

inline post(who, before)
{
    atomic { inbox[who]++; due[who]++ };
    wake_up(who, before)
}

proctype thread(byte c)
{
    byte x;
    post(c, x);
    atomic { holders--; busy--; x = (busy == 0) };
    if
#ifndef NO_POKE
    :: x -> inbox[0]++; wake_up(0, x)
#endif
    :: else
    fi
}

inline report()
{
    assert(due[0] == 0 && due[1] == 0);
    assert(holders == 0);
    assert(!works[0] && !works[1]);
    reported = true
}

inline sleep_idle(me, saw)
{
    works[me] = false;
    sleeping[me] = 2;
    if
#ifndef NO_LOOK
    :: inbox[me] > 0 ->
        exchange(me, saw);
        if
        :: saw == 0 -> busy--
        :: else
        fi
#endif
    :: else ->
        atomic { busy--; saw = (busy == 0) };
        if
        :: saw ->
            report()
        :: else
        fi;
        token[me]; /* the backend sleeps */
        token[me] = false;
#ifdef LATE_CORE
        exchange(me, saw);
        if
        :: saw == 2 -> busy++
        :: else
        fi
#else
        busy++;
        exchange(me, saw);
        if
        :: saw == 0 -> busy-- /* a poster has counted us */
        :: else
        fi
#endif
    fi;
    saw = 0
}

inline sleep_for_io(mine)
{
    sleeping[mine] = 1;
    if
    :: inbox[mine] == 0 ->
        if
        :: token[mine] -> token[mine] = false
        :: true /* the I/O is done */
        fi
    :: else
    fi;
    sleeping[mine] = 0
}

proctype core(byte c)
{
    byte x;
    byte posts = POSTS;
    byte io = IO;
turn:
    atomic { works[c] = works[c] || due[c] > 0; inbox[c] = 0; due[c] = 0 };
work:
    if
    :: works[c] && posts > 0 -> posts--; post(1 - c, x); goto work
#ifdef SPAWN
    :: works[c] && may_spawn ->
        atomic { may_spawn = false; busy++; holders++ };
        run thread(1 - c);
        goto work
#endif
    :: works[c] && io > 0 -> io--; sleep_for_io(c)
    :: sleep_idle(c, x)
    fi;
    goto turn
}

init
{
    byte i;
    atomic {
        busy = busy + THREADS;
        works[0] = true;
        works[1] = true;
        run core(0);
        run core(1);
        for (i : 1 .. THREADS) {
            run thread(i % CORES)
        }
    }
    timeout; /* nobody can do anything any more: both cores are asleep for good */
    assert(inbox[0] == 0 && inbox[1] == 0);
    assert(reported)
}
