import { Controller, Get } from '@nestjs/common';

@Controller()
export class HomeController {
  @Get() info() {
    return { name: 'boilerplate' };
  }
}
