/*
 * A pseudo-terminal for tests.
 */
#ifndef AIO_TESTS_BEHAVIOUR_TERMINAL_H
#define AIO_TESTS_BEHAVIOUR_TERMINAL_H

#include "tests/harness/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

/* A pseudo-terminal that hands on bytes as they are. */
struct terminal {
    int master;
    int slave;
};

static inline bool terminal_open(struct terminal *terminal)
{
    struct termios settings;
    terminal->slave = -1;
    terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (!AIO_CHECK(terminal->master >= 0 && grantpt(terminal->master) == 0 &&
                   unlockpt(terminal->master) == 0))
        return false;
    terminal->slave = open(ptsname(terminal->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (!AIO_CHECK(terminal->slave >= 0 && tcgetattr(terminal->slave, &settings) == 0))
        return false;
    cfmakeraw(&settings);
    return AIO_CHECK_EQ(tcsetattr(terminal->slave, TCSANOW, &settings), 0);
}

#endif
