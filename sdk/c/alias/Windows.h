/* For sources that spell the name this way. */
#include "../windows.h"
