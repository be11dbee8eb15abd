/*
 * The end of a core and its late posters. The mailbox's memory stays; the backend, which wakeup
 * uses, does not. The closer takes the list for good (CLOSED), says it is awake, waits until no
 * poster is at the wakeup, frees the backend. A poster that finds a sleeper counts itself before
 * it takes the flag away, and wakes only if it was the one that took it.
 *
 * Shown: wakeup is never called on a freed backend; a post that was not refused is delivered; a
 * core that slept is woken.
 *
 *   -DNO_COUNT   the poster does not count itself      } each has to be noticed
 *   -DNO_WAIT    the closer does not wait              }
 *   -DNO_AWAKE   the closer leaves the flag as it was  }
 *   -DNO_CLOSE   the closer only empties the list      }
 */
#ifndef POSTERS
#define POSTERS 3
#endif

byte inbox;
bool closed;
byte sleeping;
byte posters;
bool token;
bool freed;

proctype poster()
{
    byte was;
    bool pushed;
    atomic {
        if
        :: closed -> pushed = false
        :: else -> inbox++; pushed = true
        fi
    };
    if
    :: pushed && sleeping != 0 ->
#ifndef NO_COUNT
        posters++;
#endif
        atomic { was = sleeping; sleeping = 0 };
        if
        :: was != 0 ->
            assert(!freed);
            token = true
        :: else
        fi;
#ifndef NO_COUNT
        posters--
#endif
    :: else
    fi
}

proctype core()
{
    do
    :: inbox = 0
    :: sleeping = 1;
        if
        :: inbox == 0 ->
            do
            :: token -> token = false; break
            :: break /* a timer or an operation */
            od
        :: else
        fi;
#ifdef NO_AWAKE
        if
        :: sleeping = 0
        :: break
        fi
#else
        sleeping = 0
#endif
    :: break
    od;
    atomic {
        inbox = 0;
#ifndef NO_CLOSE
        closed = true
#endif
    };
#ifndef NO_AWAKE
    sleeping = 0;
#endif
#ifndef NO_WAIT
    posters == 0;
#endif
    freed = true
}

init
{
    byte i;
    atomic {
        run core();
        for (i : 1 .. POSTERS) {
            run poster()
        }
    }
    timeout;
    assert(freed);
    assert(inbox == 0)
}
