/* For sources that spell the name this way. */
#include "../httpfilt.h"
